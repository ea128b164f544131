package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

const day = 24 * time.Hour

// windowed notes the waiting periods that a target is asked for.
type windowed struct {
	*providers.Provider
	asked *[]time.Duration
}

func (s windowed) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if a.Kind == broker.Schedule {
		*s.asked = append(*s.asked, a.Window)
	}
	return s.Provider.Do(ctx, e, v, a)
}

// A waiting period is said only where it is chosen at the deletion: at a cloud where the
// key was made with one, or has none of its own, taking back goes without.
func TestAWindowIsSaidWhereItIsChosen(t *testing.T) {
	t.Parallel()
	for target, waits := range map[string]time.Duration{"cloud": 14 * day, "numbered": 14 * day, "newest": 90 * day} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			var asked []time.Duration
			w.watched(target, &asked)
			w.policy = broker.Policy{Name: "p", Window: 14 * day}
			req := broker.ImportRequest{Name: "k", Policy: "p", Spec: broker.ECP256, Targets: []string{target}, Why: broker.Why{Reason: "test"}}
			done, err := w.run(nil).Import(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			out, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: done.Operation.Operation.ID, Why: broker.Why{Reason: "test"}})
			if err != nil || len(out.Scheduled) != 1 {
				t.Fatalf("%+v, %v", out, err)
			}
			if target != "cloud" && !slices.Equal(asked, []time.Duration{0}) {
				t.Errorf("asked for %v", asked)
			}
			if got := out.DeletionAt.Sub(w.now); got != waits {
				t.Errorf("it waits %s, not %s", got, waits)
			}
		})
	}
}

// watched notes the waiting periods asked of a target.
func (w *world) watched(name string, asked *[]time.Duration) {
	for i := range w.others {
		if w.others[i].Name == name {
			w.others[i].Provider = windowed{w.others[i].Provider.(*providers.Provider), asked}
		}
	}
}

// A waiting period that one placement cannot have is refused before anything is taken
// back at another, and by the plan as well.
func TestAWindowThatOnePlaceHasNotTakesNothingBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		targets []string
		window  time.Duration
		says    string // "" it is taken back
	}{
		"fixed at birth": {[]string{"cloud", "numbered"}, 7 * day, "at target numbered: misuse: the key's waiting period is 14d, fixed when it was made, and cannot be 7d"},
		"as it was made": {[]string{"cloud", "numbered"}, 14 * day, ""},
		"never chosen":   {[]string{"cloud", "newest"}, 7 * day, "at target newest: misuse: how long a deleted key waits is the place's own there"},
		"too short":      {[]string{"numbered", "cloud"}, 6 * day, "at target cloud: misuse: a waiting period of 6d is not from 7d to 30d"},
		"none":           {[]string{"cloud", "numbered", "newest"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.policy = broker.Policy{Name: "p", Window: 14 * day}
			req := broker.ImportRequest{Name: "k", Policy: "p", Spec: broker.ECP256, Targets: c.targets, Why: broker.Why{Reason: "test"}}
			done, err := w.run(nil).Import(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			before := len(w.events(t))
			abort := broker.AbortRequest{Operation: done.Operation.Operation.ID, Window: c.window, Why: broker.Why{Reason: "test"}}
			_, planned := w.run(nil).PlanAbort(t.Context(), abort)
			_, err = w.run(nil).Abort(t.Context(), abort)
			for what, err := range map[string]error{"plan": planned, "abort": err} {
				if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("%s: %v; want %q", what, err, c.says)
				}
			}
			if c.says != "" {
				if after := len(w.events(t)); after != before {
					t.Errorf("%d entries were written", after-before)
				}
				w.oneEverywhere(t, "k", c.targets...)
			}
		})
	}
}
