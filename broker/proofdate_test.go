package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// dated is a key at one target that is checked an hour after its import: the date of
// its proof then, and the check, whose row is what is on record.
func (w *world) dated(t *testing.T) (proven time.Time, c broker.Check) {
	t.Helper()
	proofAt := func() time.Time {
		view, err := w.store.Key(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		return view.Placements[0].Proof.At
	}
	proven = proofAt()
	if !proven.Equal(w.now) {
		t.Fatalf("proven at %s, it is %s", proven, w.now)
	}
	w.now = w.now.Add(time.Hour)
	c = w.verified(t, "k")
	if got := c.Placement.Proof.At; !got.Equal(proofAt()) || !c.Placement.SeenAt.Equal(w.now) {
		t.Errorf("told %+v, on record is %s", c.Placement, proofAt())
	}
	return proven, c
}

// A check dates the proof anew only if it had the same answered again: not where the
// target was asked for nothing, or for less.
func TestACheckDatesAProofByWhatItAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target  string
		spec    broker.KeySpec
		staged  bool
		renewed bool
		says    string
	}{
		"a MAC":                         {"cloud", broker.HMAC256, false, true, ""},
		"a reimport":                    {"cloud", broker.AES256, false, true, ""},
		"a signature":                   {"numbered", broker.ECP384, false, true, ""},
		"a cipher":                      {"newest", broker.AES256, false, true, ""},
		"nothing compares them":         {"numbered", broker.AES256, false, false, "cannot be proven"},
		"shown only while it is used":   {"numbered", broker.ECP384, true, false, "cannot be repeated: it is disabled"},
		"asked only while it is used":   {"newest", broker.AES256, true, false, "cannot be repeated while it is disabled"},
		"its public key and no message": {"newest", broker.ECP384, true, false, "the public key alone: it is disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			req := only(c.target)
			req.Spec, req.NoActivate = c.spec, c.staged
			w.imported(t, req)
			proven, got := w.dated(t)
			want := proven
			if c.renewed {
				want = w.now
			}
			if !got.OK || !got.Placement.Proof.At.Equal(want) || !strings.HasPrefix(got.Detail, c.says) || (got.Detail == "") != (c.says == "") {
				t.Errorf("proof of %s, want %s: %+v", got.Placement.Proof.At, want, got)
			}
		})
	}
}

// Consumers could use a version that waits for its activation, because somebody enabled
// it: that is said, and dates no proof.
func TestAVersionThatIsEnabledBeforeItsActivationIsSaid(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			req := only(target)
			req.Spec, req.NoActivate = broker.ECP384, true
			v := w.imported(t, req).Key.Placements[0].Version
			if _, err := w.provider(target).Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: broker.Enable}); err != nil {
				t.Fatal(err)
			}
			proven, c := w.dated(t)
			if c.OK || c.State != broker.RemoteEnabled || !strings.Contains(c.Detail, "was to be disabled until its activation") || !c.Placement.Proof.At.Equal(proven) {
				t.Errorf("%+v", c)
			}
			if _, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "k"}); err != nil {
				t.Fatal(err)
			}
			if c := w.verified(t, "k"); !c.OK || c.Detail != "" {
				t.Errorf("activated: %+v", c)
			}
		})
	}
}
