package azurekv_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// Client ids of the two identities.
const (
	importer = "aaaaaaaa-0000-4000-8000-000000000001"
	prover   = "aaaaaaaa-0000-4000-8000-000000000002"
)

// least is what a policy allows, read as az reads it.
func least(t *testing.T, write func(azurekv.Config) (string, error), c azurekv.Config) []string {
	t.Helper()
	text, err := write(c)
	if err != nil {
		t.Fatal(err)
	}
	var role struct {
		DataActions []string `json:"dataActions"` // of either kind: names match in any case
	}
	if err := json.Unmarshal([]byte(text), &role); err != nil {
		t.Fatal(err)
	}
	return role.DataActions
}

// restricted is an emulator with two identities: one imports, the other proves.
type restricted struct{ *emulated }

func restrict(t *testing.T, change ...func(*emulated, *azurekv.Config)) *restricted {
	t.Helper()
	e := start(t)
	e.config = azurekv.Config{
		Tenant: azureemu.DefaultTenant, VaultURL: e.server.URL(premium), WrappingKeyBits: 2048, Authority: e.server.AuthorityURL(),
		CAPEM: e.server.CAPEM(), Now: e.Now,
	}
	for _, f := range change {
		f(e, &e.config)
	}
	r := &restricted{e}
	r.allow(t, []string{"none"}, []string{"none"})
	e.config.Credentials = r.identity(t, importer)
	e.config.ProofCredentials = new(r.identity(t, prover))
	return r
}

func (r *restricted) knownAs(t *testing.T, id string) azureemu.Credentials {
	t.Helper()
	known, err := r.server.CredentialsOf(id)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func (r *restricted) identity(t *testing.T, id string) azurekv.Credentials {
	t.Helper()
	return azurekv.Credentials{Kind: azurekv.Certificate, ClientID: id, CertificatePEM: r.knownAs(t, id).CertificatePEM}
}

// allow lets each identity do just this.
func (r *restricted) allow(t *testing.T, importing, proving []string) {
	t.Helper()
	change := azureemu.Change{Principals: []azureemu.Principal{{ClientID: importer, Allow: importing}, {ClientID: prover, Allow: proving}}}
	if err := r.admin.Configure(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// without opens the target for identities that may do what the policies list, but for
// one thing; "" is nothing.
func (r *restricted) without(t *testing.T, action string) *azurekv.Provider {
	t.Helper()
	all := func(write func(azurekv.Config) (string, error)) []string {
		left := slices.DeleteFunc(least(t, write, r.config), func(a string) bool { return a == action })
		return append(left, "none") // an empty list allows everything
	}
	r.allow(t, all(azurekv.LeastPolicy), all(azurekv.ProofPolicy))
	return open(t, r.config)
}

// whole is an adapter that may do everything.
func (r *restricted) whole(t *testing.T) *azurekv.Provider {
	t.Helper()
	c, known := r.config, r.known(t)
	c.ProofCredentials = nil
	c.Credentials = azurekv.Credentials{Kind: azurekv.Certificate, ClientID: known.ClientID, CertificatePEM: known.CertificatePEM}
	return open(t, c)
}

// made is a version that was imported.
type made struct {
	v   broker.VersionRef
	raw []byte
}

// material of a spec: a secret, or PKCS#8.
func material(t *testing.T, s broker.KeySpec) []byte {
	t.Helper()
	switch s.Class() {
	case broker.ClassAES:
		return emutest.Random(s.Bits() / 8)
	case broker.ClassRSA:
		return emutest.RSA(t)
	default:
		_, der := emutest.EC(t, elliptic.P256())
		return der
	}
}

func keyFor(name string, s broker.KeySpec, p broker.Purpose) broker.PrepareIn {
	in := ecKey()
	in.RemoteName, in.Spec, in.Purpose = name, s, p
	return in
}

// wrapped is an import made ready under a KEK of p's making.
func wrapped(ctx context.Context, t *testing.T, p *azurekv.Provider, in broker.PrepareIn, raw []byte) (broker.ImportIn, error) {
	t.Helper()
	prepared, err := p.Prepare(ctx, effect(broker.StepPrepare), in)
	if err != nil {
		return broker.ImportIn{}, err
	}
	w, err := p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: prepared.Key, Mechanism: broker.KWPSHA1})
	if err != nil {
		return broker.ImportIn{}, err
	}
	public, err := x509.ParsePKIXPublicKey(w.PublicKey)
	if err != nil {
		return broker.ImportIn{}, err
	}
	return broker.ImportIn{
		Key: prepared.Key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: w.Mechanism, Token: w.Token, Of: in,
		Wrapped: emutest.RSAAES(t, public.(*rsa.PublicKey), crypto.SHA1, raw),
	}, nil
}

// filled is a new key with material.
func filled(t *testing.T, p *azurekv.Provider, in broker.PrepareIn) made {
	t.Helper()
	raw := material(t, in.Spec)
	request, err := wrapped(t.Context(), t, p, in, raw)
	if err != nil {
		t.Fatal(err)
	}
	done, err := p.Import(t.Context(), effect(broker.StepImport), request)
	if err != nil {
		t.Fatal(err)
	}
	return made{done.Version, raw}
}

// step is a part of the line, on keys of its own.
type step func(context.Context, *azurekv.Provider) error

// line is every step by its name, which is what Permission.For speaks of.
func (r *restricted) line(t *testing.T) map[string]step {
	t.Helper()
	whole := r.whole(t)
	suffix := emutest.Random(4)
	name := func(of string) string { return of + "-" + strings.ToLower(hexOf(suffix)) }
	signs := filled(t, whole, keyFor(name("signs"), broker.ECP256, broker.Sign))
	goes := filled(t, whole, keyFor(name("goes"), broker.ECP256, broker.Sign))
	comes := keyFor(name("comes"), broker.ECP256, broker.Sign)
	ready, err := wrapped(t.Context(), t, whole, comes, material(t, comes.Spec))
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]step{
		"look":  func(ctx context.Context, p *azurekv.Provider) error { return looked(ctx, p) },
		"fetch": func(ctx context.Context, p *azurekv.Provider) error { return fetched(ctx, p, signs.v.Key) },
		"import": func(ctx context.Context, p *azurekv.Provider) error {
			_, err := p.Import(ctx, effect(broker.StepImport), ready)
			return err
		},
		"prove signing keys": r.proving(t, signs, broker.ECP256, broker.Sign),
	}
	for word, a := range map[string]broker.Action{
		"withhold": {Kind: broker.Disable}, "activate": {Kind: broker.Enable}, "renew": {Kind: broker.SetEnd, ValidTo: time.Now().Add(time.Hour)},
	} {
		v := filled(t, whole, keyFor(name(word), broker.ECP256, broker.Sign)).v
		steps[word] = func(ctx context.Context, p *azurekv.Provider) error {
			_, err := p.Do(ctx, effect(broker.StepEnable), v, a)
			return err
		}
	}
	steps["abort"] = func(ctx context.Context, p *azurekv.Provider) error {
		_, err := p.Do(ctx, effect(broker.StepAbandon), broker.VersionRef{Key: goes.v.Key}, broker.Action{Kind: broker.Schedule})
		return err
	}
	decrypts := filled(t, whole, keyFor(name("decrypts"), broker.RSA2048, broker.Decrypt))
	steps["prove decryption keys"] = r.proving(t, decrypts, broker.RSA2048, broker.Decrypt)
	if r.config.Kind == azurekv.ManagedHSM {
		encrypts := filled(t, whole, keyFor(name("encrypts"), broker.AES256, broker.Encrypt))
		steps["prove AES keys"] = r.proving(t, encrypts, broker.AES256, broker.Encrypt)
	}
	return steps
}

func looked(ctx context.Context, p *azurekv.Provider) error {
	for _, err := range p.Look(ctx, broker.Query{All: true}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// fetched makes a KEK, and fetches it again.
func fetched(ctx context.Context, p *azurekv.Provider, key broker.KeyRef) error {
	in := broker.WrappingKeyIn{Key: key, Mechanism: broker.KWPSHA1}
	w, err := p.WrappingKey(ctx, effect(broker.StepFetch), in)
	if err != nil {
		return err
	}
	in.Kept = w.Ref
	_, err = p.WrappingKey(ctx, effect(broker.StepFetch), in)
	return err
}

// proving asks for a proof, and compares.
func (r *restricted) proving(t *testing.T, m made, s broker.KeySpec, purpose broker.Purpose) step {
	t.Helper()
	return func(ctx context.Context, p *azurekv.Provider) error {
		c, token := challenged(t, m, s, purpose)
		answer, err := p.Prove(ctx, m.v, c)
		if err != nil {
			return err
		}
		return c.Compare(token, answer, time.Now())
	}
}

// needing are the steps that an action is said to be for.
func needing(permissions []broker.Permission, action string, line map[string]step) []string {
	var out []string
	for _, p := range permissions {
		if p.Action != action {
			continue
		}
		what, _, _ := strings.Cut(p.For, ":")
		for word := range strings.SplitSeq(what, ", ") {
			if line[word] != nil {
				out = append(out, word)
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestLeastPermissions: with what the policies list the whole line passes, and without
// one permission just those steps fail that it is said to be for, naming it.
func TestLeastPermissions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*emulated, *azurekv.Config){"vault": nil, "managed HSM": {managed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := restrict(t, change...)
			p := r.without(t, "")
			for word, run := range r.line(t) {
				if err := run(t.Context(), p); err != nil {
					t.Errorf("with every permission, %s: %v", word, err)
				}
			}
			r.proves(t, p)
			for _, permission := range p.Capabilities().Permissions {
				if !permission.Later {
					r.missing(t, p.Capabilities().Permissions, permission.Action)
				}
			}
		})
	}
}

// proves: the credentials of proofs say who they are with the least, and wrong ones are
// refused; where there are none of their own, nobody is asked.
func (r *restricted) proves(t *testing.T, p *azurekv.Provider) {
	t.Helper()
	if id, err := p.IdentifyProof(t.Context()); err != nil || id.Account != r.config.Tenant || !strings.Contains(id.Principal, prover) {
		t.Errorf("it proves as %+v, %v", id, err)
	}
	if id, err := r.whole(t).IdentifyProof(t.Context()); err != nil || id != (broker.Identity{}) {
		t.Errorf("without credentials of their own proofs are asked for as %+v, %v", id, err)
	}
	c, typo := r.config, *r.config.ProofCredentials
	typo.ClientID = "00000000-0000-4000-8000-000000000bad"
	c.ProofCredentials = &typo
	_, err := open(t, c).IdentifyProof(t.Context())
	if got := inWords(t, err); got.Kind != broker.Denied || !strings.Contains(got.Op, "proofs") {
		t.Errorf("with a wrong client id: %v", err)
	}
}

// missing takes one permission away.
func (r *restricted) missing(t *testing.T, permissions []broker.Permission, action string) {
	t.Helper()
	p, line := r.without(t, action), r.line(t)
	var failed []string
	for word, run := range line {
		err := run(t.Context(), p)
		if err == nil {
			continue
		}
		failed = append(failed, word)
		if e := inWords(t, err); e.Kind != broker.Denied || e.Permission != action {
			t.Errorf("without %s, %s: %v", action, word, err)
		}
	}
	slices.Sort(failed)
	if want := needing(permissions, action, line); len(want) == 0 || !slices.Equal(failed, want) {
		t.Errorf("without %s these failed: %q, it is said to be for %q", action, failed, want)
	}
}

// TestWhoImportsCannotUseKeys, and who proves cannot change anything.
func TestWhoImportsCannotUseKeys(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*emulated, *azurekv.Config){"vault": nil, "managed HSM": {managed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := restrict(t, change...)
			r.without(t, "")
			line := r.line(t)
			alone := func(id string) *azurekv.Provider {
				c := r.config
				c.Credentials, c.ProofCredentials = r.identity(t, id), nil
				return open(t, c)
			}
			for word, run := range line {
				by := alone(importer)
				if !strings.HasPrefix(word, "prove") {
					by = alone(prover)
				}
				err := run(t.Context(), by)
				if word == "look" {
					continue // both read keys
				}
				if e := inWords(t, err); e.Kind != broker.Denied || !strings.HasPrefix(e.Permission, "Microsoft.KeyVault/") {
					t.Errorf("%s: %v, permission %q", word, err, e.Permission)
				}
			}
		})
	}
}

// TestRolesAreWhatTheirCommandsRead, with every permission once and none that no
// command asks for.
func TestRolesAreWhatTheirCommandsRead(t *testing.T) {
	t.Parallel()
	for kind, members := range map[string][]string{
		azurekv.Vault:      {"Actions", "AssignableScopes", "DataActions", "Description", "IsCustom", "Name", "NotActions", "NotDataActions"},
		azurekv.ManagedHSM: {"actions", "dataActions", "description", "notActions", "notDataActions", "roleName"},
	} {
		c := base()
		c.Kind = kind
		for _, write := range []func(azurekv.Config) (string, error){azurekv.LeastPolicy, azurekv.ProofPolicy} {
			text, err := write(c)
			if err != nil {
				t.Fatal(err)
			}
			var role map[string]any
			if err := json.Unmarshal([]byte(text), &role); err != nil || !slices.Equal(sortedKeys(role), members) {
				t.Errorf("%s: %s, %v", kind, text, err)
			}
		}
		var needed []string
		for _, p := range open(t, c).Capabilities().Permissions {
			if !p.Later {
				needed = append(needed, p.Action)
			}
		}
		granted := least(t, azurekv.LeastPolicy, c)
		if !slices.Equal(granted, needed) {
			t.Errorf("granted %v, needed %v", granted, needed)
		}
		c.ProofCredentials = &azurekv.Credentials{Kind: azurekv.ManagedIdentity}
		apart := append(least(t, azurekv.LeastPolicy, c), least(t, azurekv.ProofPolicy, c)[1:]...)
		if !slices.Equal(apart, needed) {
			t.Errorf("apart granted %v, needed %v", apart, needed)
		}
	}
}
