package awskms_test

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/providers/awskms"
)

const (
	importer = "arn:aws:iam::" + account + ":role/importer"
	prover   = "arn:aws:iam::" + account + ":role/prover"
)

// restricted is a target whose principals may do what their policies list, and no more.
type restricted struct {
	*emulated
	config awskms.Config
	key    awsemu.AccessKey // who keyferry is, before it assumes a role
	admin  *awskms.Provider // may do everything, in the same region
	homes  *awskms.Provider // where primaries are; nil where there are none
	proofs map[string]proof // by step, on keys that nothing changes
}

// proof is a version and how it is proven.
type proof struct {
	v     broker.VersionRef
	level broker.ProofLevel
	in    broker.PrepareIn
	der   []byte
}

// kinds of target by name: each with its roles and regions.
var kinds = map[string]func(*awskms.Config){
	"one role":     func(c *awskms.Config) { c.RoleARN = importer },
	"a proof role": func(c *awskms.Config) { c.ProofRoleARN = prover },
	"primaries":    func(c *awskms.Config) { c.RoleARN, c.ProofRoleARN, c.Replicated = importer, prover, true },
	"replicas": func(c *awskms.Config) {
		c.RoleARN, c.ProofRoleARN, c.Region, c.PrimaryRegion = importer, prover, there, region
	},
}

func restrict(t *testing.T, kind string) *restricted {
	t.Helper()
	r := &restricted{emulated: emulate(t, nil), key: awsemu.AccessKey{ID: "AKIALEAST", Secret: "least", User: "keyferry"}}
	r.config = awskms.Config{
		Account: account, Region: region, Endpoint: r.server.URL(), Credentials: static(r.key), WrappingKeyBits: 2048,
		Now: time.Now, Settle: time.Second, Poll: 20 * time.Millisecond,
	}
	kinds[kind](&r.config)
	unrestricted := func(region string) *awskms.Provider {
		return adapter(t, r.server.URL(), func(c *awskms.Config) {
			c.Region, c.Credentials, c.WrappingKeyBits = region, static(r.server.Credentials()), 2048
		})
	}
	r.admin = unrestricted(r.config.Region)
	if r.config.PrimaryRegion != "" {
		r.homes = unrestricted(r.config.PrimaryRegion)
	}
	r.fill(t)
	return r
}

// fill makes the keys that are proven.
func (r *restricted) fill(t *testing.T) {
	t.Helper()
	_, signing := emutest.EC(t, elliptic.P256())
	_, agreement := emutest.EC(t, elliptic.P256())
	r.proofs = map[string]proof{
		"prove symmetric keys":  {level: broker.ProofReimport, in: keyFor(broker.AES256, broker.Encrypt), der: emutest.Random(32)},
		"prove HMAC keys":       {level: broker.ProofMAC, in: hmacKey(), der: emutest.Random(32)},
		"prove signing keys":    {level: broker.ProofPublicKey, in: keyFor(broker.ECP256, broker.Sign), der: signing},
		"prove agreement keys":  {level: broker.ProofPublicKey, in: keyFor(broker.ECP256, broker.Agree), der: agreement},
		"prove decryption keys": {level: broker.ProofPublicKey, in: keyFor(broker.RSA2048, broker.Decrypt), der: emutest.RSA(t)},
	}
	for name, p := range r.proofs {
		key, in := r.empty(t, p.in, p.der)
		v, err := brought(t, r.admin, key, in, p.der)
		if err != nil {
			t.Fatal(err)
		}
		p.v = v
		r.proofs[name] = p
	}
}

// asked is how a key is asked for here: a primary, a replica of one with this
// material, or neither.
func (r *restricted) asked(t *testing.T, in broker.PrepareIn, material []byte) broker.PrepareIn {
	t.Helper()
	in.MultiRegion = r.config.Replicated
	if r.homes == nil {
		return in
	}
	return replicaOf(in, regional{&emulated{provider: r.homes}, nil}.primary(t, in, material))
}

// empty is a key that waits for this material.
func (r *restricted) empty(t *testing.T, in broker.PrepareIn, material []byte) (broker.KeyRef, broker.PrepareIn) {
	t.Helper()
	in = r.asked(t, in, material)
	made, err := r.admin.Prepare(t.Context(), effect(broker.StepPrepare), in)
	if err != nil {
		t.Fatal(err)
	}
	return made.Key, in
}

// least are the actions that a policy document allows.
func least(t *testing.T, write func(awskms.Config) (string, error), c awskms.Config) []string {
	t.Helper()
	text, err := write(c)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []struct{ Action []string } }
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range policy.Statement {
		out = append(out, s.Action...)
	}
	return out
}

// without opens the target for principals that may do what the policies list, but for
// one thing; "" is nothing.
func (r *restricted) without(t *testing.T, action string) *awskms.Provider {
	t.Helper()
	importing, proving := least(t, awskms.LeastPolicy, r.config), least(t, awskms.ProofPolicy, r.config)
	var deny []string
	if action != "" {
		deny = []string{action}
	}
	r.key.Allow, r.key.Deny = []string{"sts:AssumeRole"}, nil
	if r.config.RoleARN == "" {
		r.key.Allow, r.key.Deny = importing, deny
	}
	change := awsemu.Change{AccessKeys: []awsemu.AccessKey{r.key}, Roles: []awsemu.Role{
		{ARN: importer, Allow: importing, Deny: deny}, {ARN: prover, Allow: proving, Deny: deny},
	}}
	if err := r.emulated.admin.Configure(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	p, err := awskms.Open(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// step is a part of the line, on keys of its own.
type step func(context.Context, *awskms.Provider) error

// line is every step by its name, which is what Permission.For speaks of.
func (r *restricted) line(t *testing.T) map[string]step {
	t.Helper()
	secret, symmetric := emutest.Random(32), emutest.Random(32)
	asked := r.asked(t, hmacKey(), secret)
	key, in := r.empty(t, hmacKey(), secret)
	aesKey, aesIn := r.empty(t, keyFor(broker.AES256, broker.Encrypt), symmetric)
	steps := map[string]step{
		"prepare": func(ctx context.Context, p *awskms.Provider) error {
			_, err := p.Prepare(ctx, effect(broker.StepPrepare), asked)
			return err
		},
		"fetch": func(ctx context.Context, p *awskms.Provider) error {
			_, err := p.WrappingKey(ctx, effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: broker.OAEPSHA256})
			return err
		},
		"import":                r.importing(t, key, in, secret),
		"import symmetric keys": r.importing(t, aesKey, aesIn, symmetric),
		"look":                  looking(key),
		"activate":              r.activating(t),
		"abort":                 r.aborting(t),
	}
	for name, c := range r.proofs {
		steps[name] = c.run
	}
	return steps
}

func (r *restricted) importing(t *testing.T, key broker.KeyRef, in broker.PrepareIn, material []byte) step {
	t.Helper()
	request, err := sealed(t, r.admin, key, in, material)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, p *awskms.Provider) error {
		_, err := p.Import(ctx, effect(broker.StepImport), request)
		return err
	}
}

func looking(key broker.KeyRef) step {
	return func(ctx context.Context, p *awskms.Provider) error {
		for _, q := range []broker.Query{{Key: &key}, {Effect: effect(broker.StepPrepare).ID()}, {All: true}} {
			for _, err := range p.Look(ctx, q) {
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// alias is one that nobody had.
func alias() string { return fmt.Sprintf("alias/%x", emutest.Random(8)) }

func (r *restricted) activating(t *testing.T) step {
	t.Helper()
	one, _ := r.empty(t, hmacKey(), emutest.Random(32))
	two, _ := r.empty(t, hmacKey(), emutest.Random(32))
	name := alias()
	return func(ctx context.Context, p *awskms.Provider) error {
		_, err := p.Do(ctx, effect(broker.StepActivate), broker.VersionRef{Key: one}, broker.Action{Kind: broker.Activate, Consumer: name})
		if err != nil {
			return err
		}
		_, err = p.Do(ctx, effect(broker.StepActivate), broker.VersionRef{Key: two}, broker.Action{Kind: broker.Activate, Consumer: name, Expect: one.ID})
		return err
	}
}

func (r *restricted) aborting(t *testing.T) step {
	t.Helper()
	key, _ := r.empty(t, hmacKey(), emutest.Random(32))
	v, name := broker.VersionRef{Key: key}, alias()
	if _, err := r.admin.Do(t.Context(), effect(broker.StepActivate), v, broker.Action{Kind: broker.Activate, Consumer: name}); err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, p *awskms.Provider) error {
		_, err := p.Do(ctx, effect(broker.StepAbandon), v, broker.Action{Kind: broker.Deactivate, Consumer: name})
		if err != nil {
			return err
		}
		_, err = p.Do(ctx, effect(broker.StepAbandon), v, broker.Action{Kind: broker.Schedule})
		return err
	}
}

func (c proof) run(ctx context.Context, p *awskms.Provider) error {
	challenge, err := broker.NewChallenge(broker.ChallengeSubject{
		Ref: c.v, Level: c.level, Spec: c.in.Spec, Purpose: c.in.Purpose, PublicKey: publicOf(c.der),
	}, time.Now())
	if err != nil {
		return err
	}
	_, err = p.Prove(ctx, c.v, challenge)
	return err
}

// steps that need an action, as the adapter's data says; those of the names found.
func needing(permissions []broker.Permission, action string, names []string) []string {
	var words []string
	for _, p := range permissions {
		if p.Action == action {
			what, _, _ := strings.Cut(p.For, ":")
			words = append(words, strings.Split(what, ", ")...)
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return name == w || strings.HasPrefix(name, w+" ") })
	})
}

// TestLeastPermissions: with what the policies list the whole line passes at every kind
// of target, and without one permission just those steps fail that it is said to be for,
// naming it.
func TestLeastPermissions(t *testing.T) {
	t.Parallel()
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := restrict(t, kind)
			p := r.without(t, "")
			for name, run := range r.line(t) {
				if err := run(t.Context(), p); err != nil {
					t.Errorf("with every permission, %s: %v", name, err)
				}
			}
			permissions := p.Capabilities().Permissions
			for i, permission := range permissions {
				again := slices.ContainsFunc(permissions[:i], func(p broker.Permission) bool { return p.Action == permission.Action })
				if !permission.Later && !again {
					r.missing(t, permissions, permission.Action)
				}
			}
		})
	}
}

// missing takes one permission away.
func (r *restricted) missing(t *testing.T, permissions []broker.Permission, action string) {
	t.Helper()
	p, line := r.without(t, action), r.line(t)
	var names, failed []string
	for name, run := range line {
		names = append(names, name)
		err := run(t.Context(), p)
		if err == nil {
			continue
		}
		failed = append(failed, name)
		if e := inWords(t, err); e.Kind != broker.Denied || e.Permission != action {
			t.Errorf("without %s, %s: %v", action, name, err)
		}
	}
	slices.Sort(failed)
	slices.Sort(names)
	if want := needing(permissions, action, names); len(want) == 0 || !slices.Equal(failed, want) {
		t.Errorf("without %s these failed: %q, it is said to be for %q", action, failed, want)
	}
}
