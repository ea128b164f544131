// Package hsmtest holds the promises of broker.Token. Every token runs them: the
// one in memory, and those behind PKCS #11 modules.
//
// What a token is known not to keep is listed with a reason. A listed promise
// that is kept after all fails the run: no excuse outlives its cause.
package hsmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Token is what the promises are about: everything a token can be asked.
type Token interface {
	broker.Token
	broker.Sealer
	broker.Anchorer
	broker.HealthChecker
	broker.Adopter
	broker.Keeper
	broker.Truster
}

// Setup says what is tested. The token is empty, and stays the caller's to close.
type Setup struct {
	Token Token
	// Lose takes away every object of one id and class (secret, private, public), behind
	// the token's back, as a killed run leaves half a pair.
	Lose func(t *testing.T, id broker.MaterialID, class string)
	// Twin makes a second object of the same id as a secret that exists.
	Twin func(t *testing.T, id broker.MaterialID)
	// Plant makes material behind the token's back, as its owners do by other means.
	Plant func(t *testing.T, p Planted)
	// SessionObjects counts the session objects in the token; nil where it has none.
	SessionObjects func(t *testing.T) int
	// Marked is a wrapping key that the token's security officer marked as trusted; nil
	// where he cannot, and then no plan of the token's trusts.
	Marked *rsa.PrivateKey
	// Deviations are the promises that are not kept, by name, with the reason.
	Deviations map[string]string
}

// check is one promise. It answers with an error, so that a deviation can be told
// from a broken test.
type check struct {
	name string
	run  func(context.Context, *suite) error
}

// checks in the order they run: the first ones want a token that was never
// enrolled, the last one a token that everybody is done with.
func checks() []check {
	return []check{
		{"info names the token", infoNames},
		{"an environment comes with the seal key", sealKeyOnce},
		{"a record has one seal", sealsRecords},
		{"plans cover every key spec and mechanism", plansCover},
		{"material is born as asked", bornAsAsked},
		{"the same id is the same material", sameMaterial},
		{"other material of the same id is a conflict", otherMaterial},
		{"half a pair is a conflict", halfPair},
		{"two of one id are a conflict", twins},
		{"what was not born in the token is a conflict", notBornThere},
		{"material that is there is not doubled", notDoubled},
		{"what it made is used while it is there", usesWhatItMade},
		{"material of others is adopted as it is", adoptsWhole},
		{"material that is not as asked is not adopted", adoptsNothingElse},
		{"what is not whole is not adopted", adoptsNoHalf},
		{"an id that is not printable is as good as another", unprintable},
		{"what is wrapped opens on the far side", wrapsOpen},
		{"what conforms is exact", wrapsExact},
		{"each wrap is fresh", wrapsFresh},
		{"only this token's plans wrap", foreignPlans},
		{"an unchecked wrapping key wraps nothing", uncheckedKey},
		{"absent and foreign material is not found", absent},
		{"both sides compute the same MAC", answersMAC},
		{"the far side decrypts what the token encrypts", answersCipher},
		{"a pair answers with its public key", answersPublicKey},
		{"no use beyond the one asked for", noOtherUse},
		{"sealed material is never wrapped again", sealsMaterial},
		{"unmodifiable material cannot be sealed", sealsUnmodifiable},
		{"destroyed material is gone", destroys},
		{"the seal key is no material", sealKeyStays},
		{"objects are listed without their values", listsObjects},
		{"keep plans cover every key spec", keepPlansCover},
		{"a keeper key is one, and no material", keeperGuarded},
		{"a keeper key that was half made is made afresh", keeperAfresh},
		{"kept material opens as it was", keepsAndOpens},
		{"what is opened is hidden", opensHidden},
		{"nothing but what was kept opens", opensNothingElse},
		{"kept material can be stored again", movesIn},
		{"what is for trusted wrapping keys goes under no other", trustsMarked},
		{"anchors are kept and replaced", keepsAnchors},
		{"health leaves nothing behind", healthy},
		{"a cancelled call changes nothing", cancelled},
		{"many at once do not mix", concurrent},
		{"a throwaway is gone when destroyed", throwaway},
		{"nothing is left behind", nothingLeft},
	}
}

// Run holds the token to every promise.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	host, err := rsa.GenerateKey(rand.Reader, hostBits)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSuite(t, setup, host)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range checks() {
		known[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			deviation, err := verdict(c.run(t.Context(), s), setup.Deviations[c.name])
			if err != nil {
				t.Error(err)
			}
			if deviation != "" {
				t.Log(deviation)
			}
		})
	}
	for name := range setup.Deviations {
		if !known[name] {
			t.Errorf("deviation %q is no promise", name)
		}
	}
}

// verdict on a check: what its error is worth where a deviation is listed.
func verdict(err error, reason string) (deviation string, failure error) {
	switch {
	case err != nil && reason == "":
		return "", err
	case err != nil:
		return fmt.Sprintf("deviation: %s (%v)", reason, err), nil
	case reason != "":
		return "", fmt.Errorf("listed as a deviation (%s), but the promise is kept: take it off the list", reason)
	default:
		return "", nil
	}
}

// suite is one run over one token.
type suite struct {
	Setup
	t         *testing.T
	host      *rsa.PrivateKey
	serial    string
	plans     []broker.Plan
	materials map[broker.KeySpec]broker.Material
	before    int // objects in the token at the start
	number    int
	key       string
	keeperID  broker.KeeperID
}

// hostBits is the size of the far side's key.
const hostBits = 3072

// newSuite is a run with host as the far side's key.
func newSuite(t *testing.T, setup Setup, host *rsa.PrivateKey) (*suite, error) {
	t.Helper()
	id := make([]byte, 8)
	rand.Read(id)
	s := &suite{Setup: setup, t: t, host: host, key: hex.EncodeToString(id), materials: map[broker.KeySpec]broker.Material{}}
	var err error
	if s.before, err = s.count(t.Context(), ""); err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	s.plans, err = s.Token.Plans(t.Context())
	return s, err
}

// nextID is one that was never used.
func (s *suite) nextID() broker.MaterialID {
	s.number++
	return broker.NewMaterialID(s.key, s.number)
}

// specs that the token can make and wrap.
func (s *suite) specs() []broker.KeySpec {
	var all []broker.KeySpec
	for _, spec := range broker.KeySpecs() {
		for _, p := range s.plans {
			if p.Spec == spec && p.Works {
				all = append(all, spec)
				break
			}
		}
	}
	return all
}

// workingPlan of a spec; ok is false where there is none.
func (s *suite) workingPlan(spec broker.KeySpec) (broker.Plan, error) {
	for _, p := range s.plans {
		if p.Spec == spec && p.Works {
			return p, nil
		}
	}
	return broker.Plan{}, fmt.Errorf("no plan for %s works", spec)
}

func usageOf(spec broker.KeySpec) broker.Usage {
	return broker.Usage{MAC: spec.Class() == broker.ClassHMAC, Encrypt: spec.Class() == broker.ClassAES}
}

// material of a spec, made once a run.
func (s *suite) material(ctx context.Context, spec broker.KeySpec) (broker.Material, error) {
	if m, ok := s.materials[spec]; ok {
		return m, nil
	}
	m, err := s.generate(ctx, spec, usageOf(spec))
	if err == nil {
		s.materials[spec] = m
	}
	return m, err
}

func (s *suite) generate(ctx context.Context, spec broker.KeySpec, u broker.Usage) (broker.Material, error) {
	return s.Token.Generate(ctx, broker.GenerateIn{ID: s.nextID(), Label: "hsmtest " + string(spec), Spec: spec, Usage: u})
}

// Mark has a new wrapping key marked by an officer, for Setup.Marked.
func Mark(t *testing.T, officer broker.Officer) *rsa.PrivateKey {
	t.Helper()
	host, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	key, err := checkedKey(host, broker.Plan{})
	if err == nil {
		_, err = officer.Trust(t.Context(), key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// checked is the host's key as a checked wrapping key for a plan.
func (s *suite) checked(plan broker.Plan) (broker.CheckedWrappingKey, error) {
	return checkedKey(s.host, plan)
}

func checkedKey(host *rsa.PrivateKey, plan broker.Plan) (broker.CheckedWrappingKey, error) {
	der, err := x509.MarshalPKIXPublicKey(&host.PublicKey)
	if err != nil {
		return broker.CheckedWrappingKey{}, err
	}
	key := broker.WrappingKey{PublicKey: der, Mechanism: plan.Mechanism, Source: "hsmtest"}
	return broker.CheckWrappingKey(key, plan, broker.WrappingKeyPolicy{}, time.Now())
}

// wrap wraps by a plan and opens on the far side.
func (s *suite) wrap(ctx context.Context, m broker.Material, plan broker.Plan) (wrapped, material []byte, err error) {
	key, err := s.checked(plan)
	if err != nil {
		return nil, nil, err
	}
	if wrapped, err = s.Token.Wrap(ctx, m, key); err != nil {
		return nil, nil, err
	}
	material, err = open(s.host, plan.Mechanism, wrapped)
	return wrapped, material, err
}

func (s *suite) objects(ctx context.Context, id broker.MaterialID) ([]broker.Object, error) {
	var all []broker.Object
	for o, err := range s.Token.Objects(ctx, broker.ObjectQuery{ID: id}) {
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (s *suite) count(ctx context.Context, id broker.MaterialID) (int, error) {
	all, err := s.objects(ctx, id)
	return len(all), err
}

// want checks the kind of an error.
func want(what string, err error, kind broker.Kind) error {
	if err == nil {
		return fmt.Errorf("%s: no error, want %w", what, kind)
	}
	if got := broker.KindOf(err); got != kind {
		return fmt.Errorf("%s: %s, want %s: %w", what, string(got), string(kind), err)
	}
	return nil
}

// all joins what several promises came to.
func all(faults ...error) error { return errors.Join(faults...) }

// that is an error unless ok.
func that(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
