package broker_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// trustedWorld has a policy whose keys are wrapped under trusted keys alone.
func trustedWorld(t *testing.T) *world {
	t.Helper()
	w := clouds(t)
	w.policy = broker.Policy{Name: "trusted", Spec: broker.AES256, WrapWithTrusted: true}
	return w
}

func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func guarded(name, target string) broker.ImportRequest {
	return broker.ImportRequest{Name: name, Policy: "trusted", Targets: []string{target}, Why: broker.Why{Reason: "test"}}
}

// marks all wrapping keys that the targets have, as their security officer.
func (w *world) marks(t *testing.T) {
	t.Helper()
	keys, err := wrappingKeys()
	must(t, err)
	for _, k := range keys {
		der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		must(t, err)
		key, err := broker.CheckMarked(der, fingerprintOf(der))
		must(t, err)
		_, err = w.token.Trust(t.Context(), key)
		must(t, err)
	}
}

// What waits for the officer has sent nothing and intends nothing, and goes on as one
// import once he was there.
func TestWhatNobodyMarkedIsNotWrapped(t *testing.T) {
	t.Parallel()
	w := trustedWorld(t)
	for range 2 { // waiting changes nothing
		_, err := w.run(nil).Import(t.Context(), guarded("payments/db", "numbered"))
		if !errors.Is(err, broker.Denied) || !strings.Contains(err.Error(), "none that its security officer marked") {
			t.Fatalf("%v", err)
		}
	}
	if events := w.events(t); slices.Contains(events, "import.intended") || slices.Contains(events, "undecided") {
		t.Errorf("%q", events)
	}
	w.marks(t)
	if _, err := w.run(nil).Import(t.Context(), guarded("payments/db", "numbered")); err != nil {
		t.Fatal(err)
	}
	w.oneEverywhere(t, "payments/db", "numbered")
	w.auditHolds(t)
	view, err := w.store.Key(t.Context(), "payments/db")
	must(t, err)
	if set := view.Versions[0].Material.Attributes.WrapWithTrusted; set == nil || !*set {
		t.Errorf("on record as %+v", view.Versions[0].Material)
	}
	if p := view.Placements[0]; p.Transport.Way != broker.Direct {
		t.Errorf("it crossed %s", p.Transport.Way)
	}
}

// An import goes on as what it was begun as, whatever the config says by then.
func TestTrustIsDecidedWhenAnImportBegins(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"taken out of the policy": true, "put into the policy": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := trustedWorld(t)
			w.marks(t)
			w.policy.WrapWithTrusted = before
			w.inject = func(call string, first bool) error {
				if call == "token Generate" && first {
					return broker.Unavailable
				}
				return nil
			}
			if _, err := w.run(nil).Import(t.Context(), guarded("a/key", "numbered")); !errors.Is(err, broker.Unavailable) {
				t.Fatalf("%v", err)
			}
			w.inject, w.policy.WrapWithTrusted = nil, !before
			if _, err := w.run(nil).Import(t.Context(), guarded("a/key", "numbered")); err != nil {
				t.Fatal(err)
			}
			view, err := w.store.Key(t.Context(), "a/key")
			must(t, err)
			if set := view.Versions[0].Material.Attributes.WrapWithTrusted; set == nil || *set != before {
				t.Errorf("born as %+v", view.Versions[0].Material.Attributes)
			}
		})
	}
}

func TestTrustThatCannotBeIsRefusedBeforeAnythingIsOnRecord(t *testing.T) {
	t.Parallel()
	kept := guarded("a/key", "numbered")
	kept.Retain = broker.RetainWrapped
	theirs := guarded("a/key", "numbered")
	theirs.Object = "theirs"
	for name, c := range map[string]struct {
		req  broker.ImportRequest
		kind broker.Kind
		says string
	}{
		"a wrapping key for each import": {guarded("a/key", "cloud"), broker.Unsupported, "its wrapping key is new at each import"},
		"in two steps":                   {guarded("a/key", "newest"), broker.Unsupported, "in two steps"},
		"kept wrapped":                   {kept, broker.Misuse, "retain: wrapped"},
		"born without the demand":        {theirs, broker.Conflict, "CKA_WRAP_WITH_TRUSTED is false, true is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := trustedWorld(t)
			w.marks(t)
			must(t, w.token.Plant(tokens.Planted{ID: "theirs", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}}))
			_, planned := w.run(nil).PlanImport(t.Context(), c.req)
			_, err := w.run(nil).Import(t.Context(), c.req)
			for what, err := range map[string]error{"plan": planned, "import": err} {
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := w.store.Key(t.Context(), "a/key"); !errors.Is(err, broker.NotFound) {
				t.Errorf("on record: %v", err)
			}
		})
	}
}

// Material of others that was born with the demand is brought under such a policy, and
// under no other.
func TestMaterialForTrustedKeysIsAdoptedUnderSuchAPolicy(t *testing.T) {
	t.Parallel()
	w := trustedWorld(t)
	w.marks(t)
	must(t, w.token.Plant(tokens.Planted{ID: "theirs", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true, Trusted: true}}))
	req := guarded("a/key", "numbered")
	req.Object = "theirs"
	w.policy.WrapWithTrusted = false
	if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "CKA_WRAP_WITH_TRUSTED is true") {
		t.Errorf("%v", err)
	}
	w.policy.WrapWithTrusted = true
	if _, err := w.run(nil).Import(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestMaterialForTrustedKeysIsNotMovedUnderAKeeperKey(t *testing.T) {
	t.Parallel()
	w := trustedWorld(t)
	w.marks(t)
	w.imported(t, guarded("a/key", "numbered"))
	_, err := w.run(nil).Move(t.Context(), broker.MoveRequest{Name: "a/key", To: broker.RetainWrapped})
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "a keeper key is none") {
		t.Errorf("%v", err)
	}
}

// untrusting is a token that knows nothing of marks.
type untrusting struct{ broker.Token }

func TestATokenThatCannotBeAskedIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := trustedWorld(t)
	o := w.options()
	o.Token.Token = struct {
		untrusting
		broker.Sealer
		broker.Anchorer
	}{untrusting{w.token}, w.token, w.token}
	b, err := broker.New(o)
	must(t, err)
	if _, err := b.Import(t.Context(), guarded("a/key", "numbered")); !errors.Is(err, broker.Unsupported) || !strings.Contains(err.Error(), "knows no trusted wrapping keys") {
		t.Errorf("%v", err)
	}
}

func TestCheckMarkedTakesWhatTheOfficerMeansAlone(t *testing.T) {
	t.Parallel()
	good := rsaSPKI(t, modulus(t, 3072), 65537)
	key, err := broker.CheckMarked(good, fingerprintOf(good))
	if err != nil || key.Fingerprint() != fingerprintOf(good) || key.Plan() != (broker.Plan{}) {
		t.Errorf("%+v, %v", key, err)
	}
	small := rsaSPKI(t, modulus(t, 1024), 65537)
	for name, c := range map[string]struct {
		der      []byte
		expected string
		says     string
	}{
		"another one":   {good, fingerprintOf(small), fingerprintOf(good)},
		"no print":      {good, "", "the fingerprint that was given is"},
		"too small":     {small, fingerprintOf(small), "1024 bits"},
		"no public key": {[]byte("x"), fingerprintOf([]byte("x")), "parse"},
	} {
		if key, err := broker.CheckMarked(c.der, c.expected); !errors.Is(err, broker.Rejected) || !strings.Contains(err.Error(), c.says) || key.PublicKey() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
