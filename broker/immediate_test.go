package broker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// next is a second version where consumers get one as soon as it is imported, and at
// a target that can hold it back.
func next() broker.ImportRequest {
	return broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: []string{"newest", "cloud"}, Why: broker.Why{Reason: "test"}}
}

// withFirst is a world in which newest has version 1.
func withFirst(t *testing.T) *world {
	t.Helper()
	w := clouds(t)
	first := next()
	first.Targets = []string{"newest"}
	if _, err := w.run(nil).Import(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	return w
}

// Nothing is imported where consumers would get it at once before every other target
// is staged: until then they have what they had.
func TestAVersionThatCannotWaitIsImportedLast(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"target prepare", "target wrapping-key", "target import", "target prove", "newest wrapping-key"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := withFirst(t)
			w.inject = func(c string, before bool) error {
				if c == call && before {
					return broker.Denied
				}
				return nil
			}
			if _, err := w.run(nil).ImportNext(t.Context(), next()); !errors.Is(err, broker.Denied) {
				t.Fatalf("denied at %s: %v", call, err)
			}
			if got := w.provider("newest").Report().Names["k"]; len(got) != 1 {
				t.Errorf("consumers got %+v", got)
			}
			if seen := w.observe(t, broker.Query{Consumer: "alias/k"}); len(seen) != 0 {
				t.Errorf("a name leads to %+v", seen)
			}
			w.inject = nil
			if _, err := w.run(nil).ImportNext(t.Context(), next()); err != nil {
				t.Fatal(err)
			}
			w.secondEverywhere(t)
		})
	}
}

func TestAVersionThatCannotWaitKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		world: withFirst,
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, err := b.ImportNext(ctx, next())
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.secondEverywhere(t) },
		calls: 40, after: true,
	}.killEverywhere(t)
}

// secondEverywhere: exactly two versions at newest, of which consumers get the second,
// and one at cloud.
func (w *world) secondEverywhere(t *testing.T) {
	t.Helper()
	if got := w.provider("newest").Report().Names["k"]; len(got) != 2 {
		t.Errorf("newest holds %+v", got)
	}
	if got := w.target.Report().Names["k"]; len(got) != 1 {
		t.Errorf("cloud holds %+v", got)
	}
	view, err := w.store.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"newest", "cloud"} {
		p, _ := view.Placement(2, target)
		if p.Step != broker.PlacementActive {
			t.Errorf("on record at %s: %+v", target, p)
		}
		w.consumed(t, target, p)
	}
}
