package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

func lookChecks() []check {
	marksKeys := both(makesKeys, func(c broker.Capabilities) bool { return !c.NamesKeys })
	return []check{
		{name: "everything is seen, page after page", run: everything},
		{name: "looking can stop at any time", run: stopLooking},
		{name: "a key under another policy with our mark is told apart", when: marksKeys, needs: []Need{NeedPlant}, run: spoofedPolicy},
		{name: "a key of the provider's with our mark is told apart", when: marksKeys, needs: []Need{NeedPlant}, run: spoofedOrigin},
		{name: "a version of somebody else's with our mark is seen beside ours", when: importMarks, needs: []Need{NeedPlant}, run: spoofedVersion},
		{name: "marks and names are plain data", run: plainMarks},
		{name: "what was made a moment ago is waited for", needs: []Need{NeedHide}, run: hidden},
	}
}

// several is more than a small page holds.
const several = 12

// there makes a key that can be looked at.
func (h *harness) there(ctx context.Context) (broker.KeyRef, error) {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err == nil && h.caps().ImportMakesKey {
		_, err = h.importing(ctx, key, in, make1(in.Spec))
	}
	return key, err
}

func everything(ctx context.Context, h *harness) error {
	made := map[string]bool{}
	for range several {
		key, err := h.there(ctx)
		if err != nil {
			return err
		}
		made[key.ID] = true
	}
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{All: true})
		if err != nil {
			return err
		}
		times := map[string]int{}
		for _, o := range seen {
			times[o.Version.Key.ID]++
		}
		for id := range made {
			if times[id] != 1 {
				return fmt.Errorf("%s was seen %d times among %d", id, times[id], len(seen))
			}
		}
		return nil
	})
}

func stopLooking(ctx context.Context, h *harness) error {
	for range 3 {
		if _, err := h.there(ctx); err != nil {
			return err
		}
	}
	n := 0
	for _, err := range h.Provider.Look(ctx, broker.Query{All: true}) {
		if err != nil {
			return err
		}
		n++
		break
	}
	if n != 1 {
		return fmt.Errorf("%d things were seen before stopping", n)
	}
	return nil
}

// spoofed plants a key with an effect's mark, and sees both it and ours.
func (h *harness) spoofed(ctx context.Context, origin broker.Origin, apart func(broker.Observation) bool) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	ours, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		return err
	}
	planted := h.Plant(h.t, e.ID(), in, origin)
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Effect: e.ID()})
		if err != nil || len(seen) != 2 {
			return fmt.Errorf("%d keys carry the mark, not two: %w", len(seen), err)
		}
		for _, o := range seen {
			if apart(o) != (o.Version.Key == planted) || o.Version.Key != planted && o.Version.Key != ours.Key {
				return fmt.Errorf("cannot tell them apart: %+v", o)
			}
		}
		return nil
	})
}

func spoofedPolicy(ctx context.Context, h *harness) error {
	return h.spoofed(ctx, broker.OriginExternal, func(o broker.Observation) bool { return !o.PolicyMatch })
}

func spoofedOrigin(ctx context.Context, h *harness) error {
	return h.spoofed(ctx, broker.OriginProvider, func(o broker.Observation) bool {
		return o.Origin == broker.OriginProvider && o.HasMaterial
	})
}

// spoofedVersion: a mark nominates, and what it nominates is compared; so all that
// carry it must be seen.
func spoofedVersion(ctx context.Context, h *harness) error {
	f, err := h.fill(ctx, h.roomy())
	if err != nil {
		return err
	}
	h.Plant(h.t, f.effect.ID(), f.in, broker.OriginProvider)
	for what, q := range map[string]broker.Query{"effect": {Effect: f.effect.ID()}, "key": {Versions: &f.v.Key}} {
		err := h.eventually(ctx, func() error {
			seen, err := h.look(ctx, q)
			if err == nil && len(seen) != 2 {
				err = fmt.Errorf("by %s %d versions are seen, not two", what, len(seen))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return h.prove(ctx, f)
}

// plainMarks: a customer cannot set the broker's marks by a tag of his own.
func plainMarks(ctx context.Context, h *harness) error {
	stolen := h.effect(broker.StepPrepare).ID()
	for _, separator := range []string{":", "-", "_"} {
		tags := map[string]string{"keyferry" + separator + "effect": stolen, "keyferry" + separator + "key": "another"}
		in, key, err := h.tagged(ctx, tags)
		if err != nil {
			if err := is(err, broker.Misuse, broker.Rejected); err != nil {
				return err
			}
		} else if o, err := h.one(ctx, broker.Query{Key: &key}); err != nil || o.Effect == stolen || o.Name != in.Name && o.KeyID != in.KeyID {
			return fmt.Errorf("marked %q, named %q: %w", o.Effect, o.Name, err)
		}
		if err := h.none(ctx, broker.Query{Effect: stolen}); err != nil {
			return fmt.Errorf("by a mark that was stolen: %w", err)
		}
	}
	return nil
}

// hidden runs the line at a target that is eventually consistent.
func hidden(ctx context.Context, h *harness) error {
	h.Hide(h.t, 2)
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	f.v.Via = f.consumer
	if f.consumer == "" {
		f.v.Via = h.freeConsumer()
		if err := h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: f.v.Via}); err != nil {
			return fmt.Errorf("activate: %w", err)
		}
	}
	return h.eventually(ctx, func() error { return h.prove(ctx, f) })
}
