package broker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// lateImport loses the answer to the first import at a target, which commits it an hour
// later, and answers the next one with then.
func (w *world) lateImport(target string, then error) {
	sent := 0
	w.inject = func(call string, before bool) error {
		if call != target+" import" || !before {
			return nil
		}
		if sent++; sent == 1 {
			return providers.Late{After: time.Hour}
		}
		return then
	}
}

func only(target string) broker.ImportRequest {
	return broker.ImportRequest{Name: "k", Spec: broker.AES256, Targets: []string{target}, Why: broker.Why{Reason: "test"}}
}

func (w *world) orphans(t *testing.T) []broker.Orphan {
	t.Helper()
	found, err := w.run(nil).Orphans(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// held are the versions of k that a target has.
func (w *world) held(target string) []providers.Held { return w.provider(target).Report().Names["k"] }

// A version that a cloud makes after its import was taken back is listed, and nothing
// goes on with it.
func TestAVersionThatComesAfterAnAbortIsListedAndNeverUsed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.lateImport(target, broker.Denied)
			if _, err := w.run(nil).Import(t.Context(), only(target)); !errors.Is(err, broker.Denied) {
				t.Fatal(err)
			}
			w.inject = nil
			id := w.importOf("k")
			if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: id, Why: broker.Why{Reason: "test"}}); err != nil {
				t.Fatal(err)
			}
			if found := w.orphans(t); len(found) != 0 {
				t.Errorf("before it came: %+v", found)
			}
			w.now = w.now.Add(2 * time.Hour)
			w.onlyListed(t, target)
			w.refusesToGoOn(t, id)
			w.onlyListed(t, target)
			w.auditHolds(t)
		})
	}
}

// onlyListed: the one version that is there is an orphan, and no placement names it.
func (w *world) onlyListed(t *testing.T, target string) {
	t.Helper()
	held, found := w.held(target), w.orphans(t)
	if len(held) != 1 || len(found) != 1 || found[0].Target != target || found[0].Version == "" || found[0].Version != held[0].Version.ID || !found[0].HasMaterial {
		t.Errorf("it holds %+v, listed are %+v", held, found)
	}
	view, err := w.store.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if p := view.Placements[0]; p.Step != broker.PlacementAbandoned || p.Version.ID != "" || view.Versions[0].State == broker.Active {
		t.Errorf("on record: %+v, %s", p, view.Versions[0].State)
	}
}

func (w *world) refusesToGoOn(t *testing.T, operation string) {
	t.Helper()
	b, ctx := w.run(nil), t.Context()
	_, imported := b.Import(ctx, only(w.targetOf(t)))
	_, resumed := b.Resume(ctx, operation)
	_, activated := b.Activate(ctx, broker.ActivateRequest{Name: "k"})
	_, renewed := b.Renew(ctx, broker.RenewRequest{Name: "k", ValidTo: w.now.Add(time.Hour)})
	for name, err := range map[string]error{"import": imported, "resume": resumed, "activate": activated, "renew": renewed} {
		if !errors.Is(err, broker.Conflict) && !errors.Is(err, broker.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *world) targetOf(t *testing.T) string {
	t.Helper()
	view, err := w.store.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return view.Placements[0].Target
}

// A late twin beside the version on record is listed, consumers that are given a
// version of ours keep theirs, and both go when the import is taken back.
func TestALateTwinIsTakenBackWithTheVersionBesideIt(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.lateImport(target, nil)
			result := w.imported(t, only(target))
			w.inject = nil
			w.now = w.now.Add(2 * time.Hour)
			p, found := result.Key.Placements[0], w.orphans(t)
			if len(w.held(target)) != 2 || len(found) != 1 || found[0].Key != p.Version.Key || found[0].Version == "" || found[0].Version == p.Version.ID {
				t.Fatalf("listed: %+v; in use is %+v", found, p.Version)
			}
			if target == "numbered" {
				w.consumed(t, target, p)
			}
			if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "test"}}); err != nil {
				t.Fatal(err)
			}
			for _, h := range w.held(target) {
				if h.State != broker.RemoteScheduled {
					t.Errorf("left behind: %+v", h)
				}
			}
			if left := w.orphans(t); len(left) != 0 {
				t.Errorf("on its way to deletion, and listed: %+v", left)
			}
		})
	}
}
