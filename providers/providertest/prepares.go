package providertest

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func prepareChecks() []check {
	return []check{
		{name: "what was prepared is found by its effect, once", when: makesKeys, run: foundByEffect},
		{name: "prepare twice is two keys, or finds the first", when: makesKeys, run: preparedTwice},
		{name: "prepare makes nothing where the import makes the key", when: importMakesKey, run: preparesNothing},
		{name: "a name is free until its key is there, and taken then", when: namesKeys, run: nameTaken},
		{name: "prepare takes nothing that is not as it asks", when: findsByName, run: preparesOnlyAlike},
		{name: "prepare takes no key that has versions", when: findsByName, run: preparesEmpty},
		{name: "prepare takes no key that was made before it was intended", when: findsByName, run: preparesLater},
		{name: "prepare takes no key of another's making", when: findsByName, needs: []Need{NeedPlant}, run: preparesOurs},
		{name: "prepare for a further version answers the same key", when: further, run: preparesSame},
		{name: "tags at the limit are kept, one more is refused", when: limitsTags, run: tagLimit},
		{name: "tags outside the rule are refused", when: limitsTags, run: tagRule},
	}
}

func foundByEffect(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	began := h.Now()
	made, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	var o broker.Observation
	err = h.eventually(ctx, func() (err error) { o, err = h.one(ctx, broker.Query{Effect: e.ID()}); return err })
	switch {
	case err != nil:
		return err
	case o.Version.Key != made.Key || o.Effect != e.ID():
		return fmt.Errorf("seen as %s, effect %q", o.Version.Key.ID, o.Effect)
	case o.State != broker.RemotePending || o.HasMaterial:
		return fmt.Errorf("state %s, material %v", o.State, o.HasMaterial)
	case !o.PolicyMatch:
		return fmt.Errorf("its policy %s is not the one that was sent", o.PolicyHash)
	}
	return seenAs(in, o, began)
}

// seenAs demands that a key is seen as it was asked for. What names it is its key's
// id, or, where a tag can hold it, its name.
func seenAs(in broker.PrepareIn, o broker.Observation, began time.Time) error {
	switch {
	case o.KeyID == "" && o.Name != in.Name, o.KeyID != "" && o.KeyID != in.KeyID, o.Name != "" && o.Name != in.Name:
		return fmt.Errorf("it is marked as key %q with id %q", o.Name, o.KeyID)
	case o.Origin != broker.OriginExternal || o.Spec != in.Spec || o.Purpose != in.Purpose:
		return fmt.Errorf("origin %s, spec %s, purpose %s", o.Origin, o.Spec, o.Purpose)
	case !maps.Equal(o.Tags, in.Tags):
		return fmt.Errorf("tags %v, %v were asked", o.Tags, in.Tags)
	case o.CreatedAt.Before(began.Add(-5*time.Minute)) || o.SeenAt.IsZero():
		return fmt.Errorf("made %s, seen %s, asked %s", o.CreatedAt, o.SeenAt, began)
	default:
		return nil
	}
}

func preparedTwice(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	first, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	second, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	finds := h.caps().PrepareFinds
	if (first.Key == second.Key) != finds {
		return fmt.Errorf("it said PrepareFinds %v, and answered %s and %s", finds, first.Key.ID, second.Key.ID)
	}
	want := 2
	if finds {
		want = 1
	}
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Effect: e.ID()})
		if err == nil && len(seen) != want {
			err = fmt.Errorf("%d keys carry the mark, not %d", len(seen), want)
		}
		return err
	})
}

func preparesNothing(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	var key broker.KeyRef
	for range 2 {
		made, err := h.Provider.Prepare(ctx, e, in)
		if err != nil {
			return err
		}
		if key.ID != "" && key != made.Key || made.Key.ID == "" {
			return fmt.Errorf("it answered %q, then %q", key.ID, made.Key.ID)
		}
		key = made.Key
	}
	for _, q := range []broker.Query{{Key: &key}, {Versions: &key}, {Name: in.RemoteName}, {Effect: e.ID()}} {
		if err := h.none(ctx, q); err != nil {
			return err
		}
	}
	done, err := h.importing(ctx, key, in, make1(in.Spec))
	if err == nil && done.Version.Key != key {
		err = fmt.Errorf("it was said to be %s, and is %s", key.ID, done.Version.Key.ID)
	}
	return err
}

func nameTaken(ctx context.Context, h *harness) error {
	in := h.simple()
	if err := h.none(ctx, broker.Query{Name: in.RemoteName}); err != nil {
		return err
	}
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	if h.caps().ImportMakesKey {
		if _, err := h.fillKey(ctx, key, in, make1(in.Spec)); err != nil {
			return err
		}
	}
	o, err := h.one(ctx, broker.Query{Name: in.RemoteName})
	if err == nil && o.Version.Key != key {
		err = fmt.Errorf("%s has the name, not %s", o.Version.Key.ID, key.ID)
	}
	if err != nil {
		return err
	}
	return h.none(ctx, broker.Query{Name: in.RemoteName[:len(in.RemoteName)-1]})
}

// preparesSame: where consumers are to get a further version, it goes into the key
// that they have.
func preparesSame(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil || !h.caps().Specs[f.in.Spec].SecondVersion {
		return err
	}
	in := f.in
	in.Number, in.Mode, in.Prior, in.At = 2, broker.SameKey, &f.v, h.Now()
	key, err := h.prepare(ctx, in)
	if err == nil && key != f.v.Key {
		err = fmt.Errorf("it is %s, not %s", key.ID, f.v.Key.ID)
	}
	return err
}
