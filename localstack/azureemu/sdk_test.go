package azureemu_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// One import as the product does it: KEK, blob, get, sign, and the report.
func TestBringAKey(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	private, der := emutest.EC(t, elliptic.P256())
	kek := e.kek(c, "kek")
	crv := azkeys.CurveNameP256
	made := emutest.Must(e.bring(c, "target", azkeys.KeyTypeECHSM, blob(t, kek, der), func(in *azkeys.ImportKeyParameters) {
		in.Key.Crv, in.Tags = &crv, map[string]*string{"effect": new("e1")}
	}))(t)
	got := emutest.Must(c.GetKey(t.Context(), "Target", "", nil))(t)
	if *got.Key.KID != *made.Key.KID || new(big.Int).SetBytes(got.Key.X).Cmp(private.X) != 0 || *got.Tags["effect"] != "e1" || *got.Attributes.HSMPlatform != "2" {
		t.Errorf("got %+v", got)
	}
	digest, alg := sha256.Sum256([]byte("hello")), azkeys.SignatureAlgorithmES256
	signed := emutest.Must(c.Sign(t.Context(), "target", made.Key.KID.Version(), azkeys.SignParameters{Algorithm: &alg, Value: digest[:]}, nil))(t)
	r, s := new(big.Int).SetBytes(signed.Result[:32]), new(big.Int).SetBytes(signed.Result[32:])
	if !ecdsa.Verify(&private.PublicKey, digest[:], r, s) {
		t.Error("the signature is not the key's")
	}
	report := emutest.Must(e.admin.Report(t.Context()))(t)
	if m := report.Materials[sum(der)]; m.Imports != 1 || m.Versions != 1 || len(report.Orphans) != 0 || report.Names["kek"].Keys != 1 {
		t.Errorf("report %+v", report)
	}
}

// A federated token and a secret prove the same principal.
func TestOtherCredentials(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	known := emutest.Must(e.server.Credentials())(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(known.FederatedToken), 0o600); err != nil {
		t.Fatal(err)
	}
	workload := emutest.Must(azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: e.options(), DisableInstanceDiscovery: true, ClientID: known.ClientID, TenantID: known.Tenant, TokenFilePath: file,
	}))(t)
	e.kek(e.clientAs(azureemu.DefaultPremium, workload), "one")
	secret := emutest.Must(azidentity.NewClientSecretCredential(known.Tenant, known.ClientID, known.Secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: e.options(), DisableInstanceDiscovery: true,
	}))(t)
	e.kek(e.clientAs(azureemu.DefaultPool, secret), "two")
	wrong := emutest.Must(azidentity.NewClientSecretCredential(known.Tenant, known.ClientID, "wrong", &azidentity.ClientSecretCredentialOptions{
		ClientOptions: e.options(), DisableInstanceDiscovery: true,
	}))(t)
	if _, err := e.clientAs(azureemu.DefaultPool, wrong).GetKey(t.Context(), "two", "", nil); err == nil {
		t.Error("a wrong secret was taken")
	}
}

// The challenge is a call of its own, so that a rule on an operation hits the one
// that carries a body.
func TestFaultsHitTheAuthorizedCall(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	rule := faults.Rule{Match: faults.Match{Service: "keyvault", Action: "CreateKey", Key: "kek", Region: "premium"}, Kind: faults.Fail, When: faults.After, Code: "ServiceUnavailable"}
	emutest.Must(e.admin.Add(t.Context(), rule))(t)
	kty := azkeys.KeyTypeRSAHSM
	_, err := c.CreateKey(t.Context(), "kek", azkeys.CreateKeyParameters{Kty: &kty}, nil)
	refused(t, err, 503, "ServiceUnavailable")
	emutest.Must(c.GetKey(t.Context(), "kek", "", nil))(t)
	calls := emutest.Must(e.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Service: "keyvault"}}))(t)
	if len(calls) != 3 || calls[0].Action != "Challenge" || !calls[1].Committed || calls[1].Account != azureemu.DefaultTenant {
		t.Errorf("calls %+v", calls)
	}
}
