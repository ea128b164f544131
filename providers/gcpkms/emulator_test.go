package gcpkms_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
	"github.com/keyferry/keyferry/providers/gcpkms"
	"github.com/keyferry/keyferry/providers/providertest"
)

const emulatedProject = gcpemu.DefaultProject

// elsewhere is a project whose name is as long, so that answers can be rewritten.
const elsewhere = "elsewhere-emulato"

// emulated is an emulator with an adapter on it, and a clock for both.
type emulated struct {
	server   *gcpemu.Server
	admin    faults.Client
	between  *between
	provider *gcpkms.Provider
	ahead    atomic.Int64 // of real time
}

func (e *emulated) Now() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }

func emulate(t *testing.T, change func(*emulated, *gcpkms.Config)) *emulated {
	t.Helper()
	server, err := gcpemu.Start(context.WithoutCancel(t.Context()), gcpemu.Config{Now: time.Now, PoolDir: pool, ReuseWrappingKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	e := &emulated{server: server, admin: server.Admin(), between: newBetween(t, server.PlainAddr())}
	transport := &http.Transport{}
	e.admin.HTTP = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	c := gcpkms.Config{
		Project: emulatedProject, Location: "europe-west3", Ring: "keyferry", Tokens: fixed(server.AccessToken(server.Email())),
		Endpoint: "http://" + e.between.addr, Settle: 5 * time.Second, Poll: 20 * time.Millisecond, Now: e.Now,
	}
	if change != nil {
		change(e, &c)
	}
	e.provider = open(t, c)
	return e
}

// overTLS speaks TLS under the emulator's CA, with nothing between.
func overTLS(e *emulated, c *gcpkms.Config) {
	c.Endpoint, c.CAPEM = "https://"+e.server.Addr(), e.server.CAPEM()
}

func (e *emulated) target() providertest.Target {
	return providertest.Target{
		Provider: e.provider, Account: emulatedProject, Now: e.Now,
		Missing: broker.KeyRef{ID: gcpemu.DefaultKeyRing + "/cryptoKeys/missing"},
		Foreign: broker.KeyRef{ID: "projects/" + elsewhere + "/locations/europe-west3/keyRings/keyferry/cryptoKeys/missing"},
		Break:   e.Break, Plant: e.Plant, Importing: e.Importing,
		Advance: func(d time.Duration) {
			if _, err := e.admin.Advance(context.Background(), d); err != nil {
				panic(err)
			}
			e.ahead.Add(int64(d))
		},
	}
}

func (e *emulated) configure(t *testing.T, s gcpemu.Settings) {
	t.Helper()
	if err := e.admin.Configure(t.Context(), gcpemu.Change{Settings: &s}); err != nil {
		t.Fatal(err)
	}
}

// Importing lets imports take their time, and spoils what is wrapped where they shall
// fail.
func (e *emulated) Importing(t *testing.T, i providertest.Importing) {
	t.Helper()
	e.configure(t, gcpemu.Settings{ImportFor: faults.Seconds(i.Takes.Seconds())})
	if i.Fails {
		e.between.meddle(meddling{rpc: "ImportCryptoKeyVersion", request: spoil})
	}
}

// rpcs are Google's names of the suite's calls.
var rpcs = map[string]string{
	"prepare": "CreateCryptoKey", "wrapping-key": "GetImportJob", "import": "ImportCryptoKeyVersion",
	"activate": "UpdateCryptoKeyPrimaryVersion", "deactivate": "UpdateCryptoKeyPrimaryVersion", "disable": "UpdateCryptoKeyVersion",
	"enable": "UpdateCryptoKeyVersion", "schedule": "DestroyCryptoKeyVersion", "cancel": "RestoreCryptoKeyVersion",
	"prove": "MacSign", "look": "GetCryptoKey", "identify": "GetKeyRing",
}

func ruleFor(call string, f providertest.Fault) faults.Rule {
	r := faults.Rule{Match: faults.Match{Action: rpcs[call]}, RetryAfter: int(f.RetryAfter.Seconds())}
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
		r.Kind, r.Code = faults.Fail, "INTERNAL"
	case providertest.FailAfter:
		r.Kind, r.When, r.Code = faults.Fail, faults.After, "UNAVAILABLE"
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

func (e *emulated) Break(t *testing.T, call string, f providertest.Fault) providertest.Broken {
	t.Helper()
	if f.Kind == providertest.Foreign {
		e.between.meddle(meddling{rpc: rpcs[call], answer: rename})
		return providertest.Broken{Release: func() { e.between.meddle(meddling{}) }}
	}
	admin := e.admin
	id, err := admin.Add(t.Context(), ruleFor(call, f))
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Broken{
		Release: func() { _ = admin.Remove(context.WithoutCancel(t.Context()), id) },
		Reached: func(ctx context.Context) error {
			_, err := admin.Wait(ctx, faults.CallQuery{Fault: id, State: faults.Held})
			return err
		},
	}
}

// client is Google's own, for what somebody else does at the target.
func (e *emulated) client(t *testing.T) *kms.KeyManagementClient {
	t.Helper()
	conn, err := grpc.NewClient(e.server.PlainAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(bearer(e.server.AccessToken(e.server.Email()))))
	if err != nil {
		t.Fatal(err)
	}
	c, err := kms.NewKeyManagementClient(t.Context(), option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = conn.Close() })
	return c
}

// bearer puts a token on every call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// Plant makes a key with the effect's label as somebody else would: not for imported
// versions only.
func (e *emulated) Plant(t *testing.T, effect string, in broker.PrepareIn, origin broker.Origin) broker.KeyRef {
	t.Helper()
	key, err := e.client(t).CreateCryptoKey(t.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: gcpemu.DefaultKeyRing, CryptoKeyId: in.RemoteName, SkipInitialVersionCreation: origin == broker.OriginExternal,
		CryptoKey: &kmspb.CryptoKey{
			Purpose: kmspb.CryptoKey_MAC, Labels: map[string]string{"keyferry-effect": effect, "keyferry-key-id": in.KeyID},
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: kmspb.ProtectionLevel_HSM, Algorithm: kmspb.CryptoKeyVersion_HMAC_SHA256},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return broker.KeyRef{ID: key.GetName()}
}

// deviations are of Google, as the emulator shows it.
func deviations() map[string]string {
	return map[string]string{
		"a disabled version shows its public key, and is not used": "Google answers GetPublicKey of enabled versions only (FAILED_PRECONDITION, KEY_DISABLED)",
	}
}

// TestEmulatorOverTLS is everything over TLS, in software, where nothing is ready at
// once, pages end early and bad material is refused at once.
func TestEmulatorOverTLS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open: func(t *testing.T) providertest.Target {
			t.Helper()
			e := emulate(t, func(e *emulated, c *gcpkms.Config) {
				overTLS(e, c)
				c.Protection, c.WrappingKeyBits = gcpkms.Software, 3072
			})
			e.configure(t, gcpemu.Settings{PageSize: 5, JobReads: 2, ImportReads: 1, ImportErrors: gcpemu.ImportRefused})
			return e.target()
		},
		Deviations: deviations(),
		Lacks: map[providertest.Need]string{
			providertest.NeedForeign:   "what rewrites answers speaks plain gRPC, where this is tested",
			providertest.NeedImporting: "what spoils imports speaks plain gRPC, where this is tested",
			providertest.NeedHide:      consistent,
		},
	})
}

const consistent = "Google's resources are there as soon as they are answered: reads are consistent"

func TestEmulator(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{
		Open:       func(t *testing.T) providertest.Target { t.Helper(); return emulate(t, nil).target() },
		Deviations: deviations(),
		Lacks:      map[providertest.Need]string{providertest.NeedHide: consistent},
	})
}
