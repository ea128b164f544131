package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// remote is the state of what a key is placed at, as the target has it.
func (w *world) remote(t *testing.T, target, name string) broker.RemoteState {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := view.Placement(1, target)
	var states []broker.RemoteState
	for o, err := range w.provider(target).Look(t.Context(), broker.Query{Version: &p.Version}) {
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, o.State)
	}
	if len(states) != 1 {
		t.Fatalf("%s at %s: %v", name, target, states)
	}
	return states[0]
}

// Where consumers could use a version without being given it, one whose proof cannot
// be made is disabled; once it can, the same import goes on.
func TestWhatIsNotProvenCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.stopped(t, target+" prove", target)
			if got := w.remote(t, target, "k"); got != broker.RemoteDisabled {
				t.Errorf("it is %s", got)
			}
			if !w.hasEvent(t, "version.disabled") {
				t.Error("the audit does not say so")
			}
			w.imported(t, broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: []string{target}, Why: broker.Why{Reason: "test"}})
			w.oneEverywhere(t, "k", target)
			w.auditHolds(t)
		})
	}
}

// What cannot be disabled either is said.
func TestWhatCannotBeDisabledIsSaid(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.inject = func(call string, before bool) error {
		if before && (call == "newest prove" || call == "newest disable") {
			return broker.Denied
		}
		return nil
	}
	_, err := w.run(nil).Import(t.Context(), at("k", "newest"))
	if !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	for _, part := range []string{"prove at target newest", "disable what is not proven at target newest"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

// Interrupted while it is proven, a version is disabled all the same.
func TestAnInterruptedProofLeavesNothingUsable(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.inject = func(call string, before bool) error {
		if call == "newest prove" && before {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	if _, err := w.run(nil).Import(ctx, at("k", "newest")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.inject = nil
	if got := w.remote(t, "newest", "k"); got != broker.RemoteDisabled {
		t.Errorf("it is %s", got)
	}
}

// A proof that is made again finds no other way around the disabling than enabling:
// killed anywhere in it, the import still ends with one version, enabled.
func TestResumedProofKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		world: clouds,
		ready: func(t *testing.T, w *world) { t.Helper(); w.stopped(t, "newest prove", "newest") },
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, err := b.Import(ctx, at("k", "newest"))
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.oneEverywhere(t, "k", "newest") },
		calls: 10, after: true,
	}.killEverywhere(t)
}
