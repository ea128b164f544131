package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

func versionChecks() []check {
	return []check{
		{name: "a version is seen as it was imported, however it is asked for", run: seenAsImported},
		{name: "a further version is beside the first", when: further, run: besideTheFirst},
		{name: "the same material twice is two versions", when: both(further, apart), run: twins},
		{name: "a version is seen with what consumers will use of it", when: apart, run: seenWithConsumer},
		{name: "a version carries the mark of its import alone", when: importMarks, run: marked},
		{name: "a version says what it was imported under", when: importLists, run: listed},
	}
}

func seenAsImported(ctx context.Context, h *harness) error {
	began := h.Now()
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	for what, q := range map[string]broker.Query{
		"key": {Key: &f.v.Key}, "version": {Version: &f.v}, "versions": {Versions: &f.v.Key}, "all": {All: true}, "name": {Name: f.in.RemoteName},
	} {
		if what == "name" && f.in.RemoteName == "" {
			continue
		}
		if err := h.seen(ctx, f, q); err != nil {
			return fmt.Errorf("by %s: %w", what, err)
		}
		o, err := h.oneOf(ctx, f, q)
		if err == nil {
			err = seenAs(f.in, o, began)
		}
		if err != nil {
			return fmt.Errorf("by %s: %w", what, err)
		}
	}
	return nil
}

// seenWithConsumer: an import whose answer was lost is found by looking, and what
// consumers will use of it must be known all the same.
func seenWithConsumer(ctx context.Context, h *harness) error {
	for _, g := range []broker.Given{broker.GivenPrimary, broker.GivenVersion, broker.GivenNewest} {
		if !gives(g)(h.caps()) {
			continue
		}
		f, err := h.fill(ctx, h.giving(g))
		if err == nil {
			err = h.seen(ctx, f, broker.Query{Versions: &f.v.Key})
		}
		if err == nil && g == broker.GivenPrimary {
			err = h.leadsNot(ctx, f)
		}
		if err != nil {
			return fmt.Errorf("given the %s: %w", g, err)
		}
	}
	return nil
}

// leadsNot: what consumers will use is no name that leads to a version now.
func (h *harness) leadsNot(ctx context.Context, f filled) error {
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err == nil && slices.Contains(o.Consumers, f.consumer) {
		err = fmt.Errorf("%s is said to lead to it before it is activated", f.consumer)
	}
	return err
}

// oneOf is the only thing of f's key that a query yields.
func (h *harness) oneOf(ctx context.Context, f filled, q broker.Query) (broker.Observation, error) {
	seen, err := h.look(ctx, q)
	if err != nil {
		return broker.Observation{}, err
	}
	seen = slices.DeleteFunc(seen, func(o broker.Observation) bool { return o.Version.Key != f.v.Key })
	if len(seen) != 1 {
		return broker.Observation{}, fmt.Errorf("%s was seen %d times", f.v.Key.ID, len(seen))
	}
	return seen[0], nil
}

func (h *harness) seen(ctx context.Context, f filled, q broker.Query) error {
	return h.eventually(ctx, func() error {
		o, err := h.oneOf(ctx, f, q)
		if err == nil && (o.Version.ID != f.v.ID && f.v.ID != "" || o.State != broker.RemoteEnabled || !o.HasMaterial) {
			err = fmt.Errorf("version %q, %s, material %v", o.Version.ID, o.State, o.HasMaterial)
		}
		if err == nil && o.Consumer != f.consumer {
			err = fmt.Errorf("consumers will use %q, %q was told", o.Consumer, f.consumer)
		}
		return err
	})
}

// pair is a key with two versions, each as it was imported.
func (h *harness) pair(ctx context.Context, in broker.PrepareIn) (first, second filled, err error) {
	if first, err = h.fill(ctx, in); err != nil {
		return first, second, err
	}
	second, err = h.next(ctx, first)
	if err == nil && (second.v.Key != first.v.Key || second.v.ID == first.v.ID || second.v.ID == "") {
		err = fmt.Errorf("version %+v, then %+v", first.v, second.v)
	}
	return first, second, err
}

// roomy is a key that can hold a further version, and be proven.
func (h *harness) roomy() broker.PrepareIn {
	c := h.caps()
	in, ok := h.picked(func(s broker.KeySpec, p broker.Purpose) bool {
		return c.Specs[s].SecondVersion && c.Specs[s].Proof[p] != broker.ProofAccepted
	})
	if !ok {
		h.t.Fatal("no key of several versions can be proven")
	}
	return in
}

func besideTheFirst(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	if err := h.versionsAre(ctx, first.v.Key, first.v.ID, second.v.ID); err != nil {
		return err
	}
	for _, f := range []filled{first, second} {
		if err := h.prove(ctx, f); err != nil {
			return fmt.Errorf("version %s: %w", f.v.ID, err)
		}
	}
	other := second
	other.m = first.m
	if err := named("the second by the first's material", h.prove(ctx, other), broker.Differs); err != nil {
		return err
	}
	none := first.v
	none.ID = "9999"
	return h.none(ctx, broker.Query{Version: &none})
}

// versionsAre demands that a key has just these versions.
func (h *harness) versionsAre(ctx context.Context, key broker.KeyRef, want ...string) error {
	slices.Sort(want)
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Versions: &key})
		var ids []string
		for _, o := range seen {
			ids = append(ids, o.Version.ID)
		}
		slices.Sort(ids)
		if err == nil && !slices.Equal(ids, want) {
			err = fmt.Errorf("its versions are %v, not %v", ids, want)
		}
		return err
	})
}

// twins: an import that is repeated makes another version, and nobody hides it.
func twins(ctx context.Context, h *harness) error {
	first, err := h.fill(ctx, h.roomy())
	if err != nil {
		return err
	}
	second, err := h.fillKey(ctx, first.v.Key, first.in, first.m)
	if err != nil {
		return err
	}
	if first.v == second.v {
		return errors.New("it was said not to repeat, and answered the same version")
	}
	return h.versionsAre(ctx, first.v.Key, first.v.ID, second.v.ID)
}

func marked(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	for _, f := range []filled{first, second} {
		err := h.eventually(ctx, func() error {
			o, err := h.one(ctx, broker.Query{Effect: f.effect.ID()})
			if err == nil && (o.Version != f.v || o.Effect != f.effect.ID()) {
				err = fmt.Errorf("the mark of %s is at %s, which says %s", f.v.ID, o.Version.ID, o.Effect)
			}
			return err
		})
		if err != nil {
			return err
		}
		o, err := h.one(ctx, broker.Query{Version: &f.v})
		if err != nil || o.Effect != f.effect.ID() {
			return fmt.Errorf("version %s carries %q: %w", f.v.ID, o.Effect, err)
		}
	}
	return nil
}

func listed(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	seen, err := h.look(ctx, broker.Query{Versions: &first.v.Key})
	if err != nil || len(seen) != 2 {
		return fmt.Errorf("%d versions: %w", len(seen), err)
	}
	for _, o := range seen {
		source := first.source
		if o.Version == second.v {
			source = second.source
		}
		if o.Batch == "" || o.Batch != source {
			return fmt.Errorf("version %s was imported under %q, and says %q", o.Version.ID, source, o.Batch)
		}
	}
	return nil
}
