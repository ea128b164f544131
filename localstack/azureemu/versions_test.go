package azureemu_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func policyOf(expiry string, actions ...*azkeys.LifetimeAction) azkeys.KeyRotationPolicy {
	return azkeys.KeyRotationPolicy{Attributes: &azkeys.KeyRotationPolicyAttributes{ExpiryTime: &expiry}, LifetimeActions: actions}
}

func action(kind azkeys.KeyRotationPolicyAction, after, before string) *azkeys.LifetimeAction {
	trigger := &azkeys.LifetimeActionTrigger{}
	if after != "" {
		trigger.TimeAfterCreate = &after
	}
	if before != "" {
		trigger.TimeBeforeExpiry = &before
	}
	return &azkeys.LifetimeAction{Action: &azkeys.LifetimeActionType{Type: &kind}, Trigger: trigger}
}

func TestRotationPolicies(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	emutest.Must(c.CreateKey(t.Context(), "a", ecKey(), nil))(t)
	standard := emutest.Must(c.GetKeyRotationPolicy(t.Context(), "a", nil))(t)
	if a := standard.LifetimeActions; len(a) != 1 || *a[0].Action.Type != "Notify" || *a[0].Trigger.TimeBeforeExpiry != "P30D" {
		t.Errorf("without a policy: %+v", standard)
	}
	const rotate, notify = azkeys.KeyRotationPolicyActionRotate, azkeys.KeyRotationPolicyActionNotify
	for name, tt := range map[string]struct {
		policy azkeys.KeyRotationPolicy
		fine   bool
	}{
		"rotate after":           {policyOf("P90D", action(rotate, "P60D", "")), true},
		"rotate before":          {policyOf("P1Y", action(rotate, "", "P30D"), action(notify, "", "P7D")), true},
		"in lower case":          {policyOf("P28D", action("rotate", "P7D", "")), true},
		"in hours":               {policyOf("PT672H"), true},
		"27 days":                {policyOf("P27D"), false},
		"no duration":            {policyOf("90 days"), false},
		"two rotations":          {policyOf("P90D", action(rotate, "P60D", ""), action(rotate, "P70D", "")), false},
		"another action":         {policyOf("P90D", action("Dance", "P60D", "")), false},
		"two triggers":           {policyOf("P90D", action(rotate, "P60D", "P30D")), false},
		"no trigger":             {policyOf("P90D", action(rotate, "", "")), false},
		"notify after":           {policyOf("P90D", action(notify, "P60D", "")), false},
		"too early":              {policyOf("P90D", action(rotate, "P6D", "")), false},
		"before, without expiry": {azkeys.KeyRotationPolicy{LifetimeActions: []*azkeys.LifetimeAction{action(rotate, "", "P30D")}}, false},
	} {
		_, err := c.UpdateKeyRotationPolicy(t.Context(), "a", tt.policy, nil)
		if tt.fine != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if !tt.fine {
			refused(t, err, http.StatusBadRequest, "BadParameter")
		}
	}
	emutest.Must(c.UpdateKeyRotationPolicy(t.Context(), "a", policyOf("P30D"), nil))(t)
	if left := time.Until(*emutest.Must(c.RotateKey(t.Context(), "a", nil))(t).Attributes.Expires); (left - 30*24*time.Hour).Abs() > time.Minute {
		t.Errorf("the rotated key expires in %s", left)
	}
}

// An attestation says that it is none, in a statement that the run CA's leaf signed.
func TestAttestationIsMarked(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	kek := e.kek(c, "kek")
	got := emutest.Must(c.GetKeyAttestation(t.Context(), "kek", "", nil))(t).Attributes.Attestation
	block, rest := pem.Decode(got.CertificatePEMFile)
	leaf := emutest.Must(x509.ParseCertificate(block.Bytes))(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rest) || string(rest) != string(e.server.CAPEM()) {
		t.Fatal("the chain does not end in the run CA")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
		t.Error(err)
	}
	for half, text := range map[string][]byte{"private": got.PrivateKeyAttestation, "public": got.PublicKeyAttestation} {
		statement, signature, _ := strings.Cut(string(text), "\x00")
		digest := sha256.Sum256([]byte(statement))
		public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
		if !ok || !ecdsa.VerifyASN1(public, digest[:], []byte(signature)) {
			t.Errorf("%s: the signature is not the leaf's", half)
		}
		if !strings.Contains(statement, "NOT GENUINE") || !strings.Contains(statement, string(*kek.KID)) || !strings.Contains(statement, half) {
			t.Errorf("%s: %s", half, statement)
		}
	}
	_, err := e.client(azureemu.DefaultPremium).GetKeyAttestation(t.Context(), "kek", "", nil)
	refused(t, err, http.StatusBadRequest, "NotSupported")
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Settings: azureemu.Settings{Quotas: true, RetryAfter: 3}})
	c := e.client(azureemu.DefaultPremium)
	hsm := azkeys.KeyTypeECHSM
	create := func(kty azkeys.KeyType) error {
		_, err := c.CreateKey(t.Context(), "a", azkeys.CreateKeyParameters{Kty: &kty}, nil)
		return err
	}
	for range 10 {
		if err := create(hsm); err != nil {
			t.Fatal(err)
		}
	}
	err := create(hsm)
	refused(t, err, http.StatusTooManyRequests, "Throttled")
	if err := create(azkeys.KeyTypeEC); err != nil {
		t.Errorf("software keys have a quota of their own: %v", err)
	}
	e.advance(9 * time.Second)
	refused(t, create(hsm), http.StatusTooManyRequests, "Throttled")
	e.advance(2 * time.Second)
	if err := create(hsm); err != nil {
		t.Errorf("the window never ends: %v", err)
	}
	e.configure(azureemu.Change{Settings: &azureemu.Settings{Quotas: true, Limits: map[string]float64{"all": 3}}})
	e.advance(11 * time.Second)
	for range 3 {
		emutest.Must(c.GetKey(t.Context(), "a", "", nil))(t)
	}
	_, err = c.GetKey(t.Context(), "a", "", nil)
	refused(t, err, http.StatusTooManyRequests, "Throttled")
}

func TestBackupsGoWhereTheyCan(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Vaults: []azureemu.Vault{
		{Name: "one", Mode: azureemu.Premium},
		{Name: "two", Mode: azureemu.Premium},
		{Name: "soft", Mode: azureemu.Standard},
		{Name: "hsm", Mode: azureemu.HSM},
		{Name: "foreign", Mode: azureemu.Premium, Tenant: "00000000-0000-4000-8000-000000000001"},
	}, Principals: []azureemu.Principal{{ClientID: "foreigner", Tenant: "00000000-0000-4000-8000-000000000001"}}})
	one := e.client("one")
	first, second := e.kek(one, "kek"), e.kek(one, "kek")
	copied := restoreOf(emutest.Must(one.BackupKey(t.Context(), "kek", nil))(t).Value)
	got := emutest.Must(e.client("two").RestoreKey(t.Context(), copied, nil))(t)
	if got.Key.KID.Version() != second.KID.Version() || !strings.HasPrefix(string(*got.Key.KID), e.server.URL("two")) {
		t.Errorf("restored as %s", *got.Key.KID)
	}
	emutest.Must(e.client("two").GetKey(t.Context(), "kek", first.KID.Version(), nil))(t)
	// What is changed in one is not changed in the other.
	off := false
	emutest.Must(one.UpdateKey(t.Context(), "kek", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: &off}}, nil))(t)
	if !*emutest.Must(e.client("two").GetKey(t.Context(), "kek", "", nil))(t).Attributes.Enabled {
		t.Error("two vaults share a version")
	}
	for _, vault := range []string{"soft", "hsm"} {
		_, err := e.client(vault).RestoreKey(t.Context(), copied, nil)
		refused(t, err, http.StatusBadRequest, "BadParameter")
	}
	foreigner := static(emutest.Must(e.server.Bearer("foreigner"))(t))
	_, err := e.clientAs("foreign", foreigner).RestoreKey(t.Context(), copied, nil)
	refused(t, err, http.StatusBadRequest, "BadParameter")
	_, err = one.RestoreKey(t.Context(), copied, nil)
	refused(t, err, http.StatusConflict, "Conflict")
	emutest.Must(one.DeleteKey(t.Context(), "kek", nil))(t)
	_, err = one.RestoreKey(t.Context(), copied, nil)
	refused(t, err, http.StatusConflict, "Conflict")
}

func TestListsOfVersionsAndOfWhatIsDeleted(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	want := map[string]bool{}
	for range 27 {
		want[string(*e.kek(c, "kek").KID)] = true
	}
	pages := 0
	for pager := c.NewListKeyPropertiesVersionsPager("KEK", nil); pager.More(); pages++ {
		for _, v := range emutest.Must(pager.NextPage(t.Context()))(t).Value {
			if !want[string(*v.KID)] {
				t.Errorf("listed twice, or never made: %s", *v.KID)
			}
			delete(want, string(*v.KID))
		}
	}
	if pages != 2 || len(want) != 0 {
		t.Errorf("%d pages, %d versions are missing", pages, len(want))
	}
	emutest.Must(c.DeleteKey(t.Context(), "kek", nil))(t)
	page := emutest.Must(c.NewListDeletedKeyPropertiesPager(nil).NextPage(t.Context()))(t)
	if len(page.Value) != 1 || *page.Value[0].RecoveryID != e.server.URL(azureemu.DefaultPool)+"/deletedkeys/kek" || page.Value[0].KID.Version() != "" {
		t.Errorf("deleted: %+v", page.Value)
	}
}
