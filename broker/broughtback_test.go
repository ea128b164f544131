package broker_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// What was taken back and is on its way to deletion is not listed; once somebody brings
// it back it is, although a placement on record names it.
func TestWhatIsBroughtBackAfterAnAbortIsListed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"cloud", "numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			v := w.imported(t, only(target)).Key.Placements[0].Version
			if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "test"}}); err != nil {
				t.Fatal(err)
			}
			if found := w.orphans(t); len(found) != 0 {
				t.Errorf("on its way to deletion, and listed: %+v", found)
			}
			if target != "numbered" {
				v.ID = "" // only whole keys are deleted
			}
			if _, err := w.provider(target).Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: broker.Cancel}); err != nil {
				t.Fatal(err)
			}
			if found := w.orphans(t); len(found) != 1 || found[0].Key != v.Key || !found[0].HasMaterial {
				t.Errorf("listed: %+v", found)
			}
		})
	}
}
