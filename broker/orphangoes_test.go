package broker_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// A mark can be set by whoever may set tags: what was not imported is not ours, whatever
// it says.
func TestAMarkOnWhatWasNotImportedIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	ref, err := w.target.Plant(providers.Plant{
		Effect: "kf-e", Origin: broker.OriginProvider, Material: make([]byte, 32),
		In: broker.PrepareIn{Name: "theirs", KeyID: "theirs", RemoteName: "theirs", Spec: broker.AES256, Purpose: broker.Encrypt},
	})
	must(t, err)
	found := w.orphans(t)
	if len(found) != 1 || !strings.Contains(found[0].Do, `its origin is "provider"`) {
		t.Errorf("listed: %+v", found)
	}
	_, err = w.run(nil).RemoveOrphan(t.Context(), broker.OrphanRequest{Target: "cloud", Ref: ref.ID, Unused: true, Why: broker.Why{Reason: "x"}})
	if !errors.Is(err, broker.Denied) || !strings.Contains(err.Error(), "was not imported") {
		t.Errorf("%v", err)
	}
	if seen := w.observe(t, broker.Query{Key: &ref}); seen[0].State != broker.RemoteEnabled {
		t.Errorf("%+v", seen)
	}
}

// What can be used is removed only when a person says that nobody does; a mark names no
// store.
func TestWhatIsEnabledIsNotRemovedWithoutAWord(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	ref, err := w.target.Plant(providers.Plant{
		Effect: "kf-e", Consumer: "alias/payments", Material: make([]byte, 32),
		In: broker.PrepareIn{Name: "live", KeyID: "live", RemoteName: "live", Spec: broker.AES256, Purpose: broker.Encrypt},
	})
	must(t, err)
	req := broker.OrphanRequest{Target: "cloud", Ref: ref.ID, Why: broker.Why{Reason: "x"}}
	_, err = w.run(nil).RemoveOrphan(t.Context(), req)
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "key id live, and alias/payments leads to it") {
		t.Errorf("%v", err)
	}
	if seen := w.observe(t, broker.Query{Key: &ref}); seen[0].State != broker.RemoteEnabled || w.hasEvent(t, "orphan.removal-intended") {
		t.Errorf("%+v", seen)
	}
	req.Unused = true
	_, err = w.run(nil).RemoveOrphan(t.Context(), req)
	must(t, err)
}

// An older version that is enabled counts, though the current one is not.
func TestAnEarlierVersionThatIsEnabledIsInUse(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	plant := providers.Plant{
		Effect: "kf-e", Material: make([]byte, 32),
		In: broker.PrepareIn{Name: "live", KeyID: "live", RemoteName: "live", Spec: broker.AES256, Purpose: broker.Encrypt},
	}
	ref, err := w.provider("numbered").Plant(plant)
	must(t, err)
	plant.Material = append(make([]byte, 31), 1)
	_, err = w.provider("numbered").Plant(plant)
	must(t, err)
	_, err = w.provider("numbered").Do(t.Context(), broker.Effect{Operation: "off"}, broker.VersionRef{Key: ref, ID: "2"}, broker.Action{Kind: broker.Disable})
	must(t, err)
	_, err = w.run(nil).RemoveOrphan(t.Context(), broker.OrphanRequest{Target: "numbered", Ref: ref.ID, Why: broker.Why{Reason: "x"}})
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "may be in use") {
		t.Errorf("%v", err)
	}
}

// late is a target that does not show a version for a moment after it was asked to
// schedule it, and did not.
type late struct {
	*providers.Provider
	hidden *int
}

func (l late) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if a.Kind == broker.Schedule && *l.hidden == 0 {
		*l.hidden = 1
		return broker.Receipt{}, broker.Unclear
	}
	return l.Provider.Do(ctx, e, v, a)
}

func (l late) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	if q.Version != nil && *l.hidden == 1 {
		*l.hidden = 2
		return func(func(broker.Observation, error) bool) {}
	}
	return l.Provider.Look(ctx, q)
}

// One empty look after a lost answer is no destruction.
func TestAVersionThatIsNotSeenAtOnceIsNotCalledDestroyed(t *testing.T) {
	t.Parallel()
	w := strewn(t)
	i := slices.IndexFunc(w.others, func(o broker.Target) bool { return o.Name == "numbered" })
	w.others[i].Provider = late{w.others[i].Provider.(*providers.Provider), new(int)}
	req := broker.OrphanRequest{Target: "numbered", Ref: "memory:memory:key/on-record-numbered", Version: "2", Unused: true, Why: broker.Why{Reason: "x"}}
	out, err := w.run(nil).RemoveOrphan(t.Context(), req)
	if !errors.Is(err, broker.Unavailable) || w.hasEvent(t, "orphan.removed") {
		t.Errorf("%+v, %v", out.Orphan.State, err)
	}
	out, err = w.run(nil).RemoveOrphan(t.Context(), req)
	if err != nil || out.Orphan.State != broker.RemoteScheduled {
		t.Errorf("again: %+v, %v", out.Orphan.State, err)
	}
}

// rewritten is a store in which somebody without the token rewrote one entry of a key.
func rewritten(w *world, key string, rewrite func(*broker.Entry)) broker.Store {
	return tampered{Store: w.store, entries: func(all []broker.Entry) []broker.Entry {
		i := slices.IndexFunc(all, func(e broker.Entry) bool { return e.Key == key })
		rewrite(&all[i])
		return all
	}}
}

// What the audit tells of an earlier removal counts only as the token sealed it.
func TestAForgedRemovalIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := strewn(t)
	req := broker.OrphanRequest{Ref: "kf-gone-1", Why: broker.Why{Reason: "x"}}
	if _, err := w.run(nil).RemoveOrphan(t.Context(), req); !errors.Is(err, broker.NotFound) {
		t.Fatalf("%v", err)
	}
	o := w.options()
	o.Store = rewritten(w, "on-record-cloud", func(e *broker.Entry) {
		e.Event, e.Target, e.Details = "orphan.removal-intended", "", map[string]any{"ref": req.Ref}
	})
	b, err := broker.New(o)
	must(t, err)
	if out, err := b.RemoveOrphan(t.Context(), req); !errors.Is(err, broker.Tampered) {
		t.Errorf("%+v, %v", out, err)
	}
}
