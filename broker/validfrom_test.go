package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// tomorrow is a world in which what is imported is valid a day later.
func tomorrow(t *testing.T) *world {
	t.Helper()
	w := clouds(t)
	w.policy = broker.Policy{Name: "tomorrow", ValidAfter: 24 * time.Hour}
	return w
}

func pairAtNewest() broker.ImportRequest {
	req := only("newest")
	req.Spec = broker.ECP256
	return req
}

func fromTomorrow() broker.ImportRequest {
	req := pairAtNewest()
	req.Policy = "tomorrow"
	return req
}

// A version that was enabled by a run that stopped then, and is not valid yet, is asked
// for its public key alone by the run that goes on: more it cannot answer.
func TestAnActivationGoesOnBeforeItsVersionIsValid(t *testing.T) {
	t.Parallel()
	w := tomorrow(t)
	enabled := false
	w.inject = func(call string, before bool) error {
		enabled = enabled || call == "newest enable" && !before
		if enabled && call == "newest prove" && before {
			return broker.Denied
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), fromTomorrow()); !errors.Is(err, broker.Denied) || !enabled {
		t.Fatalf("enabled: %v, %v", enabled, err)
	}
	w.inject = func(call string, before bool) error {
		if call == "newest enable" && before {
			t.Error("it was enabled again")
		}
		return nil
	}
	p := w.imported(t, fromTomorrow()).Key.Placements[0]
	w.inject = nil
	if from := w.now.Add(24 * time.Hour); p.Step != broker.PlacementActive || !p.Terms.ValidFrom.Equal(from) {
		t.Errorf("on record: %+v", p)
	}
	w.validIn(t, 24*time.Hour)
}

// validIn: until its time a check says that it asked for less, and from then on it asks
// for everything.
func (w *world) validIn(t *testing.T, d time.Duration) {
	t.Helper()
	if c := w.verified(t, "k"); !c.OK || !strings.HasPrefix(c.Detail, "the public key alone: it is not valid before") {
		t.Errorf("before: %+v", c)
	}
	w.now = w.now.Add(d)
	if c := w.verified(t, "k"); !c.OK || c.Detail != "" || !c.Placement.Proof.At.Equal(w.now) {
		t.Errorf("from then on: %+v", c)
	}
}

func TestAnActivationBeforeItsVersionIsValidKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		world: tomorrow,
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, err := b.Import(ctx, fromTomorrow())
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.oneEverywhere(t, "k", "newest") },
		calls: 20, after: true,
	}.killEverywhere(t)
}

// What a finished turn shows is looked at, not believed: a version that somebody
// scheduled for deletion meanwhile is for a person.
func TestAnEnabledVersionThatWasChangedSinceIsForAPerson(t *testing.T) {
	t.Parallel()
	w := tomorrow(t)
	enabled := false
	w.inject = func(call string, before bool) error {
		enabled = enabled || call == "newest enable" && !before
		if enabled && call == "newest prove" && before {
			return broker.Denied
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), fromTomorrow()); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	v := broker.VersionRef{Key: w.refOf(t, "k").Key}
	if _, err := w.provider("newest").Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: broker.Schedule}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(nil).Import(t.Context(), fromTomorrow()); !errors.Is(err, broker.Undecided) || !strings.Contains(err.Error(), "pending-deletion") {
		t.Errorf("%v", err)
	}
}
