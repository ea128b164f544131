package broker

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func takes(mechanisms ...Mechanism) Capabilities {
	return Capabilities{Service: "Cloud KMS", Specs: map[KeySpec]SpecCapability{
		AES256: {Mechanisms: mechanisms, Purposes: []Purpose{Encrypt}}, Ed25519: {Unsupported: "no such curve there"},
	}}
}

// lasting is a target whose wrapping keys serve many imports.
func lasting(mechanisms ...Mechanism) Capabilities {
	caps := takes(mechanisms...)
	caps.WrappingKeysLast = true
	return caps
}

func can(m Mechanism, change ...func(*Plan)) Plan {
	p := Plan{Spec: AES256, Mechanism: m, Way: Direct, Works: true, Conforming: true}
	for _, c := range change {
		c(&p)
	}
	return p
}

func broken(p *Plan)        { p.Works, p.Conforming, p.Reason = false, false, "CKR_MECHANISM_INVALID" }
func nonconforming(p *Plan) { p.Conforming, p.Reason = false, "pads the scalar" }
func inTwoSteps(p *Plan)    { p.Way = TwoStep }
func trusting(p *Plan)      { p.Trusts = true }
func distrusted(p *Plan)    { p.Distrust = "its user marks keys himself" }
func ofRSA(p *Plan)         { p.Spec = RSA2048 }

func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec   KeySpec
		caps   Capabilities
		plans  []Plan
		policy Policy
		want   Mechanism
		says   []string
	}{
		"the only one":                  {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256)}, want: OAEPSHA256},
		"the target's preference":       {caps: takes(KWPSHA256, OAEPSHA1), plans: []Plan{can(OAEPSHA1), can(KWPSHA256)}, want: KWPSHA256},
		"the first the token can":       {caps: takes(OAEPSHA256, OAEPSHA1), plans: []Plan{can(OAEPSHA256, broken), can(OAEPSHA1)}, want: OAEPSHA1},
		"the first that conforms":       {caps: takes(OAEPSHA256, OAEPSHA1), plans: []Plan{can(OAEPSHA256, nonconforming), can(OAEPSHA1)}, want: OAEPSHA1},
		"the second way of one":         {caps: takes(KWPSHA256), plans: []Plan{can(KWPSHA256, broken), can(KWPSHA256)}, want: KWPSHA256},
		"what the policy allows":        {caps: takes(OAEPSHA256, OAEPSHA1), plans: []Plan{can(OAEPSHA256), can(OAEPSHA1)}, policy: Policy{Mechanisms: []Mechanism{OAEPSHA1}}, want: OAEPSHA1},
		"nonconforming, as asked":       {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256, nonconforming)}, policy: Policy{AllowNonconforming: true}, want: OAEPSHA256},
		"nonconforming":                 {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256, nonconforming)}, says: []string{"nonconforming", "pads the scalar", "allow_nonconforming: true"}},
		"broken, whatever is allowed":   {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256, broken)}, policy: Policy{AllowNonconforming: true}, says: []string{"CKR_MECHANISM_INVALID"}},
		"another spec's plan":           {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256, ofRSA)}, says: []string{"does not offer it"}},
		"no plans":                      {caps: takes(OAEPSHA256, KWPSHA1), says: []string{string(OAEPSHA256), string(KWPSHA1), "does not offer it"}},
		"a policy that allows nothing":  {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256)}, policy: Policy{Mechanisms: []Mechanism{KWPSHA1}}, says: []string{"the policy does not allow it"}},
		"a spec the target lacks":       {spec: Ed25519, caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256)}, says: []string{"no such curve there", "Cloud KMS"}},
		"a spec nobody mentioned there": {spec: HMAC256, caps: takes(OAEPSHA256), says: []string{"not a key spec it takes"}},
		"trusted, direct":               {caps: lasting(OAEPSHA256), plans: []Plan{can(OAEPSHA256, trusting)}, policy: Policy{WrapWithTrusted: true}, want: OAEPSHA256},
		"trusted, the first that may":   {caps: lasting(KWPSHA256, KWPSHA1, OAEPSHA256), plans: []Plan{can(KWPSHA256, inTwoSteps), can(OAEPSHA256, trusting)}, policy: Policy{WrapWithTrusted: true}, want: OAEPSHA256},
		"trusted, in two steps":         {caps: lasting(KWPSHA256), plans: []Plan{can(KWPSHA256, inTwoSteps, trusting)}, policy: Policy{WrapWithTrusted: true}, says: []string{"in two steps", "nobody could mark"}},
		"trusted, by a careless token":  {caps: lasting(OAEPSHA256), plans: []Plan{can(OAEPSHA256, distrusted)}, policy: Policy{WrapWithTrusted: true}, says: []string{"its user marks keys himself"}},
		"trusted, by an untried token":  {caps: lasting(OAEPSHA256), plans: []Plan{can(OAEPSHA256)}, policy: Policy{WrapWithTrusted: true}, says: []string{"was not tried"}},
		"trusted, a new key each time":  {caps: takes(OAEPSHA256), plans: []Plan{can(OAEPSHA256, trusting)}, policy: Policy{WrapWithTrusted: true}, says: []string{"new at each import", "nobody could mark it"}},
	} {
		spec := first(c.spec, AES256)
		got, err := choose(spec, c.caps, c.plans, c.policy)
		if c.want != "" {
			if err != nil || got.Mechanism != c.want || got.Spec != spec || !got.Works {
				t.Errorf("%s: %+v, %v; want %s", name, got, err, c.want)
			}
			continue
		}
		if KindOf(err) != Unsupported || err == nil || got != (Plan{}) {
			t.Errorf("%s: %+v, %v; want unsupported", name, got, err)
			continue
		}
		for _, word := range c.says {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", name, err, word)
			}
		}
	}
}

// drawnPlans are any plans a token may answer with.
func drawnPlans() *rapid.Generator[[]Plan] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Plan {
		return Plan{
			Spec:      rapid.SampledFrom([]KeySpec{AES256, RSA2048}).Draw(t, "spec"),
			Mechanism: rapid.SampledFrom(Mechanisms()).Draw(t, "mechanism"),
			Works:     rapid.Bool().Draw(t, "works"), Conforming: rapid.Bool().Draw(t, "conforming"), Reason: "a reason",
		}
	}), 0, 12)
}

// What is chosen may be used, and nothing that the target would rather have may.
func TestChooseTheBestThatMayBeUsed(t *testing.T) {
	t.Parallel()
	mechanisms := rapid.SliceOfDistinct(rapid.SampledFrom(Mechanisms()), func(m Mechanism) Mechanism { return m })
	rapid.Check(t, func(rt *rapid.T) {
		offered, plans := mechanisms.Draw(rt, "offered"), drawnPlans().Draw(rt, "plans")
		policy := Policy{Mechanisms: mechanisms.Draw(rt, "allowed"), AllowNonconforming: rapid.Bool().Draw(rt, "allow")}
		may := func(m Mechanism) bool {
			return (len(policy.Mechanisms) == 0 || slices.Contains(policy.Mechanisms, m)) &&
				slices.ContainsFunc(plans, func(p Plan) bool {
					return p.Spec == AES256 && p.Mechanism == m && p.Works && (p.Conforming || policy.AllowNonconforming)
				})
		}
		got, err := choose(AES256, takes(offered...), plans, policy)
		best := slices.IndexFunc(offered, may)
		if best < 0 {
			if KindOf(err) != Unsupported {
				rt.Fatalf("%+v, %v; nothing may be used", got, err)
			}
			return
		}
		if err != nil || got.Mechanism != offered[best] || !slices.Contains(plans, got) || !got.Works || !got.Conforming && !policy.AllowNonconforming {
			rt.Fatalf("%+v, %v; want %s", got, err, offered[best])
		}
	})
}
