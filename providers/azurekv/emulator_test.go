package azurekv_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/providertest"
)

// pool is where RSA keys are kept between runs.
const pool = "../../.cache/wrapping-keys"

// The vaults of tests, and one whose name is as long as each, so that answers can be
// rewritten.
const (
	premium   = "premium"
	standard  = "standard"
	hsm       = "pool-hs"
	elsewhere = "elsewhe"
)

// emulated is an emulator with an adapter on it, and a clock for both.
type emulated struct {
	server   *azureemu.Server
	admin    faults.Client
	between  *between
	provider *azurekv.Provider
	config   azurekv.Config
	ahead    atomic.Int64 // of real time
}

func (e *emulated) Now() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }

// emulate starts an emulator and opens one of its vaults.
func emulate(t *testing.T, change ...func(*emulated, *azurekv.Config)) *emulated {
	t.Helper()
	e := start(t)
	known, err := e.server.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	e.config = azurekv.Config{
		Tenant: azureemu.DefaultTenant, VaultURL: e.server.URL(premium), WrappingKeyBits: 2048, Authority: e.server.AuthorityURL(),
		CAPEM: e.server.CAPEM(), Proxy: e.between.URL, Settle: 5 * time.Second, Poll: 20 * time.Millisecond, Now: e.Now,
		Credentials: azurekv.Credentials{Kind: azurekv.Certificate, ClientID: known.ClientID, CertificatePEM: known.CertificatePEM},
	}
	for _, f := range change {
		f(e, &e.config)
	}
	e.provider = open(t, e.config)
	return e
}

func start(t *testing.T) *emulated {
	t.Helper()
	ca, err := emu.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := azureemu.Start(context.WithoutCancel(t.Context()), azureemu.Config{
		Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true,
		Vaults: []azureemu.Vault{
			{Name: premium, Mode: azureemu.Premium, RetentionDays: 7},
			{Name: hsm, Mode: azureemu.HSM, RetentionDays: 7},
			{Name: elsewhere, Mode: azureemu.Premium},
			{Name: standard, Mode: azureemu.Standard},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	e := &emulated{server: server, admin: server.Admin(), between: newBetween(t, ca)}
	transport := &http.Transport{}
	e.admin.HTTP = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return e
}

func open(t *testing.T, c azurekv.Config) *azurekv.Provider {
	t.Helper()
	p, err := azurekv.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// managed is the Managed HSM.
func managed(e *emulated, c *azurekv.Config) {
	c.VaultURL, c.Kind = e.server.URL(hsm), azurekv.ManagedHSM
}

func (e *emulated) target() providertest.Target {
	there := strings.Replace(strings.Replace(e.config.VaultURL, premium, elsewhere, 1), hsm, elsewhere, 1)
	return providertest.Target{
		Provider: e.provider, Account: azureemu.DefaultTenant, Now: e.Now,
		Missing:            broker.KeyRef{ID: e.config.VaultURL + "/keys/missing"},
		Foreign:            broker.KeyRef{ID: there + "/keys/missing"},
		ForeignWrappingKey: there + "/keys/keyferry-kek/0123456789abcdef0123456789abcdef",
		Break:              e.Break, Plant: e.Plant, PlantWrappingKey: e.PlantWrappingKey,
		Advance: func(d time.Duration) {
			if _, err := e.admin.Advance(context.Background(), d); err != nil {
				panic(err)
			}
			e.ahead.Add(int64(d))
		},
	}
}

func (e *emulated) configure(t *testing.T, s azureemu.Settings) {
	t.Helper()
	if err := e.admin.Configure(t.Context(), azureemu.Change{Settings: &s}); err != nil {
		t.Fatal(err)
	}
}

// actions are the API's names of the suite's calls.
func (e *emulated) action(call string) string {
	if call == "prove" && e.config.Kind == azurekv.ManagedHSM {
		return "Decrypt" // its simplest key is an AES key
	}
	return map[string]string{
		"make-wrapping-key": "CreateKey", "wrapping-key": "GetKey", "import": "ImportKey", "disable": "UpdateKey", "enable": "UpdateKey",
		"set-end": "UpdateKey", "schedule": "DeleteKey", "cancel": "RecoverDeletedKey", "prove": "Sign", "look": "GetKey", "identify": "ListKeys",
	}[call]
}

func (e *emulated) ruleFor(call string, f providertest.Fault) faults.Rule {
	r := faults.Rule{Match: faults.Match{Action: e.action(call)}, RetryAfter: int(f.RetryAfter.Seconds())}
	if f.Always {
		r.Count = -1
	}
	switch f.Kind {
	case providertest.LostBefore:
		r.Kind = faults.Drop
	case providertest.LostAfter:
		r.Kind, r.When = faults.Drop, faults.After
	case providertest.Late:
		r.Kind, r.After, r.Clock = faults.Late, faults.Seconds(f.After.Seconds()), faults.Emulator
	case providertest.FailBefore:
		r.Kind, r.Code = faults.Fail, "InternalServerError"
	case providertest.FailAfter:
		r.Kind, r.When, r.Code = faults.Fail, faults.After, "ServiceUnavailable"
	case providertest.Throttle:
		r.Kind = faults.Throttle
	case providertest.Deny:
		r.Kind = faults.Deny
	case providertest.Truncate:
		r.Kind = faults.Truncate
	case providertest.Slow:
		r.Kind, r.After = faults.Slow, 0.2
	case providertest.HoldBefore:
		r.Kind = faults.Hold
	case providertest.HoldAfter:
		r.Kind, r.When = faults.Hold, faults.After
	default: // Foreign is what stands between
	}
	return r
}

// moved rewrites an answer so that it is about another vault.
func moved(body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte("//"+premium+"."), []byte("//"+elsewhere+"."))
	return bytes.ReplaceAll(body, []byte("//"+hsm+"."), []byte("//"+elsewhere+"."))
}

func (e *emulated) Break(t *testing.T, call string, f providertest.Fault) providertest.Broken {
	t.Helper()
	if f.Kind == providertest.Foreign {
		e.between.meddle(meddling{e.action(call), moved})
		return providertest.Broken{Release: func() { e.between.meddle() }}
	}
	id, err := e.admin.Add(t.Context(), e.ruleFor(call, f))
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Broken{
		Release: func() { _ = e.admin.Remove(context.WithoutCancel(t.Context()), id) },
		Reached: func(ctx context.Context) error {
			_, err := e.admin.Wait(ctx, faults.CallQuery{Fault: id, State: faults.Held})
			return err
		},
	}
}

// client is the SDK's own, for what somebody else does at the target.
func (e *emulated) client(t *testing.T) *azkeys.Client {
	t.Helper()
	return e.clientOf(t, e.known(t))
}

// clientOf is the same for one identity.
func (e *emulated) clientOf(t *testing.T, known azureemu.Credentials) *azkeys.Client {
	t.Helper()
	certificates, key, err := azidentity.ParseCertificates(known.CertificatePEM, nil)
	if err != nil {
		t.Fatal(err)
	}
	options := azcore.ClientOptions{
		Transport: e.plain(t), Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: e.server.AuthorityURL()},
	}
	who, err := azidentity.NewClientCertificateCredential(known.Tenant, known.ClientID, certificates, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := azkeys.NewClient(e.config.VaultURL, who, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pointers(tags map[string]string) map[string]*string {
	out := map[string]*string{}
	for name, value := range tags {
		out[name] = &value
	}
	return out
}

// Plant makes a version with the effect's tag, of the provider's own material: who
// has plain material can import it, and Azure does not tell the two apart.
func (e *emulated) Plant(t *testing.T, effect string, in broker.PrepareIn, _ broker.Origin) broker.KeyRef {
	t.Helper()
	kty, curve := azkeys.KeyTypeECHSM, azkeys.CurveNameP384
	made, err := e.client(t).CreateKey(t.Context(), in.RemoteName, azkeys.CreateKeyParameters{
		Kty: &kty, Curve: &curve, Tags: pointers(map[string]string{"keyferry-effect": effect, "keyferry-key": in.Name, "keyferry-key-id": in.KeyID}),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return broker.KeyRef{ID: e.config.VaultURL + "/keys/" + made.Key.KID.Name()}
}

// PlantWrappingKey makes a KEK. One that can do more than import, which the service
// makes for nobody, is one in what the adapter is told of it.
func (e *emulated) PlantWrappingKey(t *testing.T, _ broker.Mechanism, how providertest.Planted) string {
	t.Helper()
	kty, bits, enabled, now := azkeys.KeyTypeRSAHSM, int32(2048), how != providertest.PlantedDisabled, e.Now()
	ops := []*azkeys.KeyOperation{new(azkeys.KeyOperationImport)}
	attributes := &azkeys.KeyAttributes{Enabled: &enabled, Expires: new(now.Add(30 * 24 * time.Hour))}
	switch how {
	case providertest.PlantedEnded:
		attributes.Expires = new(now.Add(-time.Hour))
	case providertest.PlantedEarly:
		attributes.NotBefore = new(now.Add(time.Hour))
	case providertest.PlantedOther:
		ops = []*azkeys.KeyOperation{new(azkeys.KeyOperationWrapKey), new(azkeys.KeyOperationUnwrapKey)}
	case providertest.PlantedWider:
		e.between.meddle(meddling{"GetKey", func(body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(`["import"]`), []byte(`["import","unwrapKey"]`))
		}})
		t.Cleanup(func() { e.between.meddle() })
	default: // as the adapter makes them
	}
	made, err := e.client(t).CreateKey(t.Context(), "keyferry-kek", azkeys.CreateKeyParameters{
		Kty: &kty, KeySize: &bits, KeyOps: ops, KeyAttributes: attributes, Tags: pointers(map[string]string{"keyferry-effect": "kf-planted"}),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(*made.Key.KID)
}

// lacks is the same for both kinds.
func lacks() map[providertest.Need]string {
	return map[providertest.Need]string{providertest.NeedHide: "what a vault answered is there for the next read"}
}

func TestEmulatedVault(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open:  func(t *testing.T) providertest.Target { t.Helper(); return emulate(t).target() },
		Lacks: lacks(),
	})
}

// TestEmulatedManagedHSM has short pages, and empty ones between them.
func TestEmulatedManagedHSM(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open: func(t *testing.T) providertest.Target {
			t.Helper()
			e := emulate(t, managed)
			e.configure(t, azureemu.Settings{PageSize: 5, EmptyPages: true})
			return e.target()
		},
		Lacks: lacks(),
	})
}

// TestEmulatedInSoftware is a vault that keeps keys in software, with nothing between.
func TestEmulatedInSoftware(t *testing.T) {
	t.Parallel()
	lacks := lacks()
	lacks[providertest.NeedForeign] = "nothing is between that could rewrite answers; tested with a proxy"
	lacks[providertest.NeedPlantKey] = "the same"
	providertest.Run(t, providertest.Setup{
		Open: func(t *testing.T) providertest.Target {
			t.Helper()
			target := emulate(t, func(_ *emulated, c *azurekv.Config) { c.Protection, c.Proxy = azurekv.Software, "" }).target()
			target.PlantWrappingKey = nil
			return target
		},
		Lacks: lacks,
	})
}

// TestStandardVaultMakesNoKEK, and says what would.
func TestStandardVaultMakesNoKEK(t *testing.T) {
	t.Parallel()
	e := emulate(t, func(e *emulated, c *azurekv.Config) {
		c.VaultURL, c.Protection = e.server.URL(standard), azurekv.Software
	})
	_, err := e.provider.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{
		Key: broker.KeyRef{ID: e.config.VaultURL + "/keys/x"}, Mechanism: broker.KWPSHA1,
	})
	if got := inWords(t, err); got.Kind != broker.Rejected || !strings.Contains(got.Hint, "Premium") {
		t.Errorf("%v, hint %q", err, got.Hint)
	}
}
