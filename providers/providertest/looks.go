package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

func lookChecks() []check {
	return []check{
		{name: "everything is seen, page after page", run: everything},
		{name: "looking can stop at any time", run: stopLooking},
		{name: "a key under another policy with our mark is told apart", needs: []Need{NeedPlant}, run: spoofedPolicy},
		{name: "a key of the provider's with our mark is told apart", needs: []Need{NeedPlant}, run: spoofedOrigin},
		{name: "marks and names are plain data", run: plainMarks},
		{name: "what was made a moment ago is waited for", needs: []Need{NeedHide}, run: hidden},
	}
}

// several is more than a small page holds.
const several = 12

func everything(ctx context.Context, h *harness) error {
	made := map[string]bool{}
	for range several {
		key, err := h.prepare(ctx, h.simple())
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
		if _, err := h.prepare(ctx, h.simple()); err != nil {
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

// plainMarks: a customer cannot set the broker's marks by a tag of his own.
func plainMarks(ctx context.Context, h *harness) error {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	stolen := h.effect(broker.StepPrepare).ID()
	in.Tags = map[string]string{"keyferry:effect": stolen, "keyferry:key": "another"}
	made, err := h.Provider.Prepare(ctx, e, in)
	if err != nil {
		if err := is(err, broker.Misuse, broker.Rejected); err != nil {
			return err
		}
		seen, err := h.look(ctx, broker.Query{Effect: stolen})
		if err != nil || len(seen) > 0 {
			return fmt.Errorf("refused, and %d keys were made: %w", len(seen), err)
		}
		return nil
	}
	o, err := h.one(ctx, broker.Query{Key: &made.Key})
	if err != nil || o.Effect != e.ID() || o.Name != in.Name {
		return fmt.Errorf("marked %q, named %q: %w", o.Effect, o.Name, err)
	}
	return nil
}

// hidden runs the line at a target that is eventually consistent.
func hidden(ctx context.Context, h *harness) error {
	h.Hide(h.t, 2)
	in := h.simple()
	v, m, err := h.filled(ctx, in)
	if err != nil {
		return err
	}
	name := h.consumer()
	if err := h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: name}); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	v.Via = name
	return h.eventually(ctx, func() error { return h.prove(ctx, v, m, in.Purpose) })
}
