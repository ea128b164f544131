package gcpkms_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/gcpemu"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// sent imports raw under a mechanism without an ephemeral key, as host code can.
func sent(ctx context.Context, p *gcpkms.Provider, in broker.PrepareIn, raw []byte) (broker.VersionRef, error) {
	made, err := p.Prepare(ctx, effect(broker.StepPrepare), in)
	if err != nil {
		return broker.VersionRef{}, err
	}
	w, err := p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: made.Key, Mechanism: broker.OAEPSHA256})
	if err != nil {
		return broker.VersionRef{Key: made.Key}, err
	}
	key, err := x509.ParsePKIXPublicKey(w.PublicKey)
	if err != nil {
		return broker.VersionRef{Key: made.Key}, err
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.(*rsa.PublicKey), raw, nil)
	if err != nil {
		return broker.VersionRef{Key: made.Key}, err
	}
	done, err := p.Import(ctx, effect(broker.StepImport), broker.ImportIn{
		Key: made.Key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: broker.OAEPSHA256, Wrapped: wrapped, Token: w.Token, Of: in,
	})
	return done.Version, err
}

// inEmulator is a key of a name that no other test has.
func inEmulator(name string, spec broker.KeySpec, purpose broker.Purpose) broker.PrepareIn {
	in := macKey()
	in.Name, in.RemoteName, in.Spec, in.Purpose = name, strings.ReplaceAll(name, ".", "-"), spec, purpose
	return in
}

func allOf(ctx context.Context, p *gcpkms.Provider) error {
	for _, err := range p.Look(ctx, broker.Query{All: true}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// line does everything that a command can do to a MAC key and one for encryption, and
// stops at the first error.
func line(ctx context.Context, p *gcpkms.Provider, name string) error {
	if _, err := p.Identify(ctx); err != nil {
		return err
	}
	mac, err := sent(ctx, p, inEmulator(name+"-mac", broker.HMAC256, broker.MAC), make([]byte, 32))
	if err != nil {
		return err
	}
	aes, err := sent(ctx, p, inEmulator(name+"-aes", broker.AES256, broker.Encrypt), make([]byte, 32))
	if err != nil {
		return err
	}
	for _, look := range []func() error{
		func() error { return allOf(ctx, p) },
		func() error { return seenAt(ctx, p, broker.Query{Version: &mac}) },
		func() error {
			_, err := p.Prove(ctx, mac, proofOf(mac, broker.ProofMAC, broker.HMAC256, broker.MAC))
			return err
		},
	} {
		if err := look(); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		v broker.VersionRef
		a broker.Action
	}{
		{aes, broker.Action{Kind: broker.Activate, Consumer: aes.Key.ID}},
		{mac, broker.Action{Kind: broker.Disable}},
		{mac, broker.Action{Kind: broker.Enable}},
		{mac, broker.Action{Kind: broker.Schedule}},
	} {
		if _, err := p.Do(ctx, effect(broker.StepActivate), x.v, x.a); err != nil {
			return err
		}
	}
	return nil
}

func seenAt(ctx context.Context, p *gcpkms.Provider, q broker.Query) error {
	for _, err := range p.Look(ctx, q) {
		return err
	}
	return nil
}

func proofOf(v broker.VersionRef, level broker.ProofLevel, spec broker.KeySpec, purpose broker.Purpose) broker.Challenge {
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: v, Level: level, Spec: spec, Purpose: purpose}, time.Now())
	if err != nil {
		panic(err)
	}
	return c
}

// as is a principal of the emulator who may do just this.
func (e *emulated) as(t *testing.T, name string, permissions ...string) *gcpkms.Provider {
	t.Helper()
	who := gcpemu.Principal{Email: name + "@" + emulatedProject + ".iam.gserviceaccount.com", Permissions: permissions}
	if err := e.admin.Configure(t.Context(), gcpemu.Change{Principals: []gcpemu.Principal{who}}); err != nil {
		t.Fatal(err)
	}
	c := gcpkms.Config{
		Project: emulatedProject, Location: "europe-west3", Ring: "keyferry", Tokens: fixed(e.server.AccessToken(who.Email)),
		Endpoint: "http://" + e.server.PlainAddr(), Settle: 5 * time.Second, Poll: 20 * time.Millisecond, Now: e.Now,
	}
	return open(t, c)
}

// granted are the permissions of a role, as the policy says them.
func granted(t *testing.T, p *gcpkms.Provider, include func(broker.Permission) bool) []string {
	t.Helper()
	var out []string
	for _, permission := range p.Capabilities().Permissions {
		if include(permission) {
			out = append(out, permission.Action)
		}
	}
	return out
}

func now(p broker.Permission) bool { return !p.Later }

// TestTheLeastPermissionsSuffice: who may do what the policy says, and nothing else,
// gets through the whole line.
func TestTheLeastPermissionsSuffice(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	if err := line(t.Context(), e.as(t, "least", granted(t, e.provider, now)...), "least"); err != nil {
		t.Error(err)
	}
}

// TestEachPermissionIsNeeded: without it the line stops, and the error names it.
func TestEachPermissionIsNeeded(t *testing.T) {
	t.Parallel()
	all := granted(t, open(t, base()), now)
	for i, permission := range all {
		if permission == "cloudkms.cryptoKeyVersions.viewPublicKey" || permission == "cloudkms.cryptoKeyVersions.useToDecrypt" {
			continue // TestProofsThatAreDenied
		}
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			p := emulate(t, nil).as(t, "less", slices.Delete(slices.Clone(all), i, i+1)...)
			err := line(t.Context(), p, "less")
			if got := inWords(t, err); got.Kind != broker.Denied || got.Permission != permission {
				t.Errorf("%v, permission %q", err, got.Permission)
			}
		})
	}
}

// TestWhoImportsCannotUseKeys, where another account proves.
func TestWhoImportsCannotUseKeys(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	imports := e.as(t, "importer", granted(t, e.provider, func(p broker.Permission) bool { return now(p) && !p.Proof })...)
	v, err := sent(t.Context(), imports, inEmulator("apart", broker.HMAC256, broker.MAC), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := proofOf(v, broker.ProofMAC, broker.HMAC256, broker.MAC)
	if _, err := imports.Prove(t.Context(), v, c); inWords(t, err).Permission != "cloudkms.cryptoKeyVersions.useToSign" {
		t.Errorf("who imports proves: %v", err)
	}
	proves := e.as(t, "prover", granted(t, e.provider, func(p broker.Permission) bool { return p.Proof })...)
	if _, err := proves.Prove(t.Context(), v, c); err != nil {
		t.Errorf("who proves: %v", err)
	}
	if _, err := proves.Do(t.Context(), effect(broker.StepWithhold), v, broker.Action{Kind: broker.Disable}); inWords(t, err).Kind != broker.Denied {
		t.Errorf("who proves changes: %v", err)
	}
}

// TestProofsThatAreDenied name the permission of each.
func TestProofsThatAreDenied(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	v, err := sent(t.Context(), e.provider, inEmulator("raw", broker.AES256, broker.RawEncrypt), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	nobody := e.as(t, "nobody", "none.at.all")
	c := proofOf(v, broker.ProofCipher, broker.AES256, broker.RawEncrypt)
	c = c.WithCiphertext(make([]byte, 12+len(c.Message())+16))
	if _, err := nobody.Prove(t.Context(), v, c); inWords(t, err).Permission != "cloudkms.cryptoKeyVersions.useToDecrypt" {
		t.Errorf("cipher: %v", err)
	}
	c = proofOf(v, broker.ProofPublicKey, broker.ECP256, broker.Sign)
	if _, err := nobody.Prove(t.Context(), v, c); inWords(t, err).Permission != "cloudkms.cryptoKeyVersions.viewPublicKey" {
		t.Errorf("public key: %v", err)
	}
	if _, err := nobody.Identify(t.Context()); inWords(t, err).Permission != "cloudkms.keyRings.get" {
		t.Errorf("identify: %v", err)
	}
}

// TestPlacesThatAreNotThere: a ring, a location, one without an HSM.
func TestPlacesThatAreNotThere(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	if err := e.admin.Configure(t.Context(), gcpemu.Change{KeyRings: []string{"projects/" + emulatedProject + "/locations/europe-west99/keyRings/keyferry"}}); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		change func(*gcpkms.Config)
		kind   broker.Kind
		words  string
	}{
		"no ring":     {func(c *gcpkms.Config) { c.Ring = "another" }, broker.NotFound, "gcloud kms keyrings create another"},
		"no HSM":      {func(c *gcpkms.Config) { c.Location = "europe-west99" }, broker.Unsupported, "protection: software"},
		"no location": {func(c *gcpkms.Config) { c.Location = "mars-north1" }, broker.NotFound, ""},
		"no project":  {func(c *gcpkms.Config) { c.Project = "another-project" }, broker.Denied, ""},
	} {
		c := base()
		c.Project, c.Location, c.Ring = emulatedProject, "europe-west3", "keyferry"
		c.Endpoint, c.Tokens = "http://"+e.server.PlainAddr(), fixed(e.server.AccessToken(e.server.Email()))
		_, err := open(t, c, x.change).Identify(t.Context())
		if got := inWords(t, err); got.Kind != x.kind || !strings.Contains(got.Hint, x.words) {
			t.Errorf("%s: %v (%s)", name, err, got.Hint)
		}
	}
	c := base()
	c.Project, c.Location, c.Ring, c.Protection = emulatedProject, "europe-west99", "keyferry", gcpkms.Software
	c.Endpoint, c.Tokens = "http://"+e.server.PlainAddr(), fixed(e.server.AccessToken(e.server.Email()))
	if _, err := sent(t.Context(), open(t, c), inEmulator("soft", broker.HMAC256, broker.MAC), make([]byte, 32)); err != nil {
		t.Errorf("software where there is no HSM: %v", err)
	}
}

// TestReceipts say over what and when.
func TestReceipts(t *testing.T) {
	t.Parallel()
	e := emulate(t, overTLS)
	id, err := e.provider.Identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := id.Receipt
	if r.Call != "GetKeyRing" || r.RequestID == "" || r.Endpoint != e.server.Addr() || r.TLSVersion != "TLS 1.3" || r.TLSGroup == "" ||
		len(r.TLSPeer) != 64 || r.ServerTime.IsZero() {
		t.Errorf("%+v", r)
	}
	plainly := emulate(t, nil)
	if id, err = plainly.provider.Identify(t.Context()); err != nil || id.Receipt.TLSVersion != "" || id.Receipt.TLSPeer != "" {
		t.Errorf("%+v, %v", id.Receipt, err)
	}
}

// TestWhatArrived is what was sent: the emulator says the SHA-256 of what it unwrapped.
func TestWhatArrived(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	raw := make([]byte, 32)
	rand.Read(raw)
	v, err := sent(t.Context(), e.provider, inEmulator("arrived", broker.HMAC256, broker.MAC), raw)
	if err != nil {
		t.Fatal(err)
	}
	report, err := e.admin.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if text := strings.ToLower(string(mustJSON(t, report))); !strings.Contains(text, hexOf(sum[:])) || !strings.Contains(text, "arrived") {
		t.Errorf("%s is not in the report: %s", v.Key.ID, text)
	}
}
