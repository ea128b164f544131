package broker_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// keeping is a target that shows the wrapping keys it made, and lets them be disabled.
type keeping struct {
	*providers.Provider
	made     *[]string // ids
	disabled map[string]bool
	then     *func() // called when one was made, before its answer is given
}

// kekOf is the version that a wrapping key is, as the target shows it.
func kekOf(ref string) broker.VersionRef {
	return broker.VersionRef{Key: broker.KeyRef{ID: "memory:kek"}, ID: ref}
}

func (k keeping) WrappingKey(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	key, err := k.Provider.WrappingKey(ctx, e, in)
	if err == nil && in.Kept == "" {
		*k.made = append(*k.made, key.Ref)
		if *k.then != nil {
			(*k.then)()
		}
	}
	return key, err
}

func (k keeping) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		for _, ref := range *k.made {
			v := kekOf(ref)
			o := broker.Observation{Version: v, WrappingKey: ref, State: broker.RemoteEnabled}
			if k.disabled[ref] {
				o.State = broker.RemoteDisabled
			}
			mine := q.All || q.Versions != nil && *q.Versions == v.Key || q.Version != nil && *q.Version == v
			if mine && !yield(o, nil) {
				return
			}
		}
		k.Provider.Look(ctx, q)(yield)
	}
}

func (k keeping) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if v.Key != kekOf("").Key {
		return k.Provider.Do(ctx, e, v, a)
	}
	k.disabled[v.ID] = a.Kind == broker.Disable
	return broker.Receipt{}, nil
}

// keepingWorld has such a target.
func keepingWorld(t *testing.T) (*world, keeping) {
	t.Helper()
	w := clouds(t)
	for i, o := range w.others {
		if o.Name == "newest" {
			k := keeping{o.Provider.(*providers.Provider), new([]string), map[string]bool{}, new(func())}
			w.others[i].Provider = k
			return w, k
		}
	}
	t.Fatal("no such target")
	return nil, keeping{}
}

func removeKEK(ref string) broker.OrphanRequest {
	return broker.OrphanRequest{Target: "newest", Ref: kekOf(ref).Key.ID, Version: ref, Why: broker.Why{Reason: "nobody knows it"}}
}

// A wrapping key that an import just had made is not on record before its answer is
// there. It is no orphan that can be removed: the import is about to use it.
func TestAWrappingKeyIsNotRemovedUnderAnImport(t *testing.T) {
	t.Parallel()
	w, k := keepingWorld(t)
	asked := 0
	*k.then = func() {
		other, err := broker.New(w.options()) // another process, meanwhile
		must(t, err)
		req := removeKEK((*k.made)[0])
		_, planned := other.PlanRemoveOrphan(t.Context(), req)
		_, removed := other.RemoveOrphan(t.Context(), req)
		for what, err := range map[string]error{"planned": planned, "removed": removed} {
			asked++
			if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "of key k is running") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	w.imported(t, intoVault("k"))
	if asked != 2 || len(*k.made) != 1 || len(k.disabled) != 0 {
		t.Errorf("asked %d times, made %q, disabled %v", asked, *k.made, k.disabled)
	}
	*k.then = nil
	if _, err := w.run(nil).RemoveOrphan(t.Context(), removeKEK((*k.made)[0])); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "on record") {
		t.Errorf("afterwards: %v", err)
	}
	w.imported(t, intoVault("next"))
	if len(*k.made) != 1 {
		t.Errorf("another one was made: %q", *k.made)
	}
}

// One that an import has lost is removed when that has ended; until then the import
// stands in the way, whether or not anybody works at it.
func TestALostWrappingKeyIsRemovedAfterItsImport(t *testing.T) {
	t.Parallel()
	w, k := keepingWorld(t)
	killed := &killer{}
	*k.then = func() { killed.died = "target" }
	if _, err := w.run(killed).Import(t.Context(), intoVault("k")); err == nil {
		t.Fatal("it was not killed")
	}
	*k.then = nil
	lost := (*k.made)[0]
	if _, err := w.run(nil).RemoveOrphan(t.Context(), removeKEK(lost)); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "is running") {
		t.Errorf("while it is open: %v", err)
	}
	w.imported(t, intoVault("elsewhere-too"))
	w.imported(t, intoVault("k"))
	if _, err := w.run(nil).RemoveOrphan(t.Context(), removeKEK(lost)); err != nil || !k.disabled[lost] || len(k.disabled) != 1 {
		t.Errorf("when it has ended: %v, disabled %v of %q", err, k.disabled, *k.made)
	}
	w.auditHolds(t)
}
