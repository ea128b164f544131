package broker_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// neededObject is in the token, of a key that is at targets alone.
const neededObject = "kf-needed-1"

// needing is a target with what an adapter would say of it.
type needing struct {
	*providers.Provider
	all      []broker.Observation
	versions func() ([]broker.Observation, error)
}

func (n needing) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	seen, err := n.all, error(nil)
	switch {
	case q.Versions != nil && n.versions != nil:
		seen, err = n.versions()
	case !q.All:
		return n.Provider.Look(ctx, q)
	}
	return func(yield func(broker.Observation, error) bool) {
		for _, o := range seen {
			if err == nil && !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(broker.Observation{}, err)
		}
	}
}

// needs is a world with the object, and a target that says this.
func needs(t *testing.T, target string, all []broker.Observation, versions func() ([]broker.Observation, error)) *world {
	t.Helper()
	w := clouds(t)
	must(t, w.token.Plant(tokens.Planted{ID: neededObject, Spec: broker.AES256}))
	i := slices.IndexFunc(w.others, func(o broker.Target) bool { return o.Name == target })
	w.others[i].Provider = needing{w.others[i].Provider.(*providers.Provider), all, versions}
	return w
}

func ofNeeded(version string, state broker.RemoteState, material bool) broker.Observation {
	return broker.Observation{
		Version: broker.VersionRef{Key: broker.KeyRef{ID: "memory:memory:key/needed"}, ID: version}, KeyID: "needed", Effect: "kf-e",
		Origin: broker.OriginExternal, State: state, HasMaterial: material,
	}
}

var removesNeeded = broker.OrphanRequest{Ref: neededObject, Why: broker.Why{Reason: "a person looked"}}

// Material that expired at a target is gone there, and its ciphertexts need it: the
// token's copy stays.
func TestTheOnlyCopyOfExpiredMaterialStays(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	must(t, w.token.Plant(tokens.Planted{ID: neededObject, Spec: broker.AES256}))
	ref, err := w.target.Plant(providers.Plant{
		Effect: "kf-e", Material: make([]byte, 32),
		In: broker.PrepareIn{Name: "needed", KeyID: "needed", RemoteName: "needed", Number: 1, Spec: broker.AES256, Purpose: broker.Encrypt},
	})
	must(t, err)
	_, err = w.target.Do(t.Context(), broker.Effect{Operation: "gone"}, broker.VersionRef{Key: ref}, broker.Action{Kind: broker.DeleteMaterial})
	must(t, err)
	if seen := w.observe(t, broker.Query{Key: &ref}); len(seen) != 1 || seen[0].HasMaterial || seen[0].State != broker.RemotePending {
		t.Fatalf("%+v", seen)
	}
	_, err = w.run(nil).RemoveOrphan(t.Context(), removesNeeded)
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "may need it to be of use again, and is pending-import") {
		t.Errorf("%v", err)
	}
	_, err = w.run(nil).RemoveOrphan(t.Context(), broker.OrphanRequest{Target: "cloud", Ref: ref.ID, Why: removesNeeded.Why})
	must(t, err)
	out, err := w.run(nil).RemoveOrphan(t.Context(), removesNeeded)
	if err != nil || !slices.Contains(out.Asked, "cloud") || len(out.Asked) != 3 {
		t.Errorf("after the key's removal: %+v, %v", out, err)
	}
}

// Whatever is not on its way out for good may need the object; what is not seen may too.
func TestWhatMayNeedAnObject(t *testing.T) {
	t.Parallel()
	restorable := ofNeeded("1", broker.RemoteDestroyed, false)
	restorable.Restorable = true
	unmarked := ofNeeded("2", broker.RemoteEnabled, true)
	unmarked.KeyID = ""
	of := func(seen ...broker.Observation) func() ([]broker.Observation, error) {
		return func() ([]broker.Observation, error) { return slices.Clone(seen), nil }
	}
	denied := func() ([]broker.Observation, error) { return nil, broker.Denied }
	destroyed, pending := ofNeeded("2", broker.RemoteDestroyed, false), ofNeeded("", broker.RemotePending, false)
	for name, c := range map[string]struct {
		target   string
		current  broker.Observation
		versions func() ([]broker.Observation, error)
		kind     error
	}{
		"an import in progress":                {"numbered", ofNeeded("1", broker.RemoteImporting, false), of(ofNeeded("1", broker.RemoteImporting, false)), broker.Conflict},
		"an earlier version":                   {"numbered", destroyed, of(ofNeeded("1", broker.RemoteEnabled, true), destroyed), broker.Conflict},
		"a version below one of somebody else": {"newest", unmarked, of(ofNeeded("1", broker.RemoteDisabled, true), unmarked), broker.Conflict},
		"a version that can be restored":       {"numbered", restorable, of(restorable), broker.Conflict},
		"versions that may not be listed":      {"numbered", ofNeeded("", broker.RemoteUnexpected, false), denied, broker.Denied},
		"a state that is not known":            {"numbered", ofNeeded("1", broker.RemoteUnexpected, false), of(ofNeeded("1", broker.RemoteUnexpected, false)), broker.Conflict},
		"all destroyed":                        {"numbered", destroyed, of(destroyed), nil},
		"a key that never had one":             {"numbered", pending, of(), nil},
		"scheduled":                            {"numbered", ofNeeded("1", broker.RemoteScheduled, true), of(ofNeeded("1", broker.RemoteScheduled, true)), nil},
		"of nobody here":                       {"numbered", unmarked, denied, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := needs(t, c.target, []broker.Observation{c.current}, c.versions)
			_, err := w.run(nil).RemoveOrphan(t.Context(), removesNeeded)
			if c.kind == nil && err != nil || !errors.Is(err, c.kind) {
				t.Errorf("%v", err)
			}
			if there := slices.ContainsFunc(w.allObjects(t), func(id broker.MaterialID) bool { return id == neededObject }); there != (c.kind != nil) {
				t.Errorf("there: %v", there)
			}
		})
	}
}

func (w *world) allObjects(t *testing.T) (ids []broker.MaterialID) {
	t.Helper()
	for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{}) {
		must(t, err)
		ids = append(ids, o.ID)
	}
	return ids
}

// What a person had removed is not held back for being restorable.
func TestWhatWasGivenUpNeedsNoObject(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	must(t, w.token.Plant(tokens.Planted{ID: neededObject, Spec: broker.AES256}))
	ref, err := w.provider("numbered").Plant(providers.Plant{
		Effect: "kf-e", Material: make([]byte, 32),
		In: broker.PrepareIn{Name: "needed", KeyID: "needed", RemoteName: "needed", Number: 1, Spec: broker.AES256, Purpose: broker.Encrypt},
	})
	must(t, err)
	_, err = w.run(nil).RemoveOrphan(t.Context(), broker.OrphanRequest{Target: "numbered", Ref: ref.ID, Unused: true, Why: removesNeeded.Why})
	must(t, err)
	w.now = w.now.AddDate(0, 0, 60)
	seen, err := w.run(nil).PlanRemoveOrphan(t.Context(), removesNeeded)
	if err != nil || seen.Already {
		t.Errorf("%+v, %v", seen, err)
	}
}

// A target that was enrolled and is not in the config cannot be asked.
func TestATargetOnRecordThatIsNotInTheConfig(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	must(t, w.token.Plant(tokens.Planted{ID: neededObject, Spec: broker.AES256}))
	away := broker.Target{
		Name: "away", Provider: targetCalled(w, "away", quick()), Environment: "test", Genuine: true,
		Pins: map[string]string{broker.PinAccount: account, "region": "away"},
	}
	w.others = append(w.others, away)
	_, err := w.run(nil).EnrolTarget(t.Context(), "away", broker.Why{Reason: "test"})
	must(t, err)
	w.others = w.others[:len(w.others)-1]
	_, err = w.run(nil).RemoveOrphan(t.Context(), removesNeeded)
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "target away is on record and not in the config") {
		t.Errorf("%v", err)
	}
	away.Name = "renamed" // it is the same place, and is asked
	w.others = append(w.others, away)
	_, err = w.run(nil).EnrolTarget(t.Context(), "renamed", broker.Why{Reason: "test"})
	must(t, err)
	_, err = w.run(nil).RemoveOrphan(t.Context(), removesNeeded)
	must(t, err)
}
