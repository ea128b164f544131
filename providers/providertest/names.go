package providertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// nameChecks are about a name of ours that leads to a key.
func nameChecks() []check {
	byName := gives(broker.GivenName)
	return []check{
		{name: "activate gives consumers the version", when: byName, run: activates},
		{name: "activate takes a name only from whom it is expected", when: byName, run: activatesExpected},
		{name: "deactivate takes the name away, or back", when: byName, run: deactivates},
		{name: "a name that is not allowed is refused", when: byName, run: forbiddenName},
	}
}

func activates(ctx context.Context, h *harness) error {
	f, err := h.fill(ctx, h.giving(broker.GivenName))
	if err != nil {
		return err
	}
	name := h.freeConsumer()
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: name}); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	if err := h.leadsTo(ctx, f.in, name, f.v.Key.ID); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Key: &f.v.Key})
	if err != nil || !slices.Contains(o.Consumers, name) {
		return fmt.Errorf("consumers are %v, not %s: %w", o.Consumers, name, err)
	}
	f.v.Via = name
	return h.prove(ctx, f)
}

// two are two keys of one spec with material, the first given to consumers.
func (h *harness) two(ctx context.Context) (first, second filled, name string, err error) {
	in := h.giving(broker.GivenName)
	name = h.freeConsumer()
	if first, err = h.fill(ctx, in); err != nil {
		return first, second, name, err
	}
	if second, err = h.fill(ctx, h.want(in.Spec, in.Purpose)); err != nil {
		return first, second, name, err
	}
	return first, second, name, h.do(ctx, first.v, broker.Action{Kind: broker.Activate, Consumer: name})
}

func activatesExpected(ctx context.Context, h *harness) error {
	first, second, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	for _, expect := range []string{"", second.v.Key.ID, h.Missing.ID} {
		err := h.do(ctx, second.v, broker.Action{Kind: broker.Activate, Consumer: name, Expect: expect})
		if err := is(err, broker.Conflict); err != nil {
			return fmt.Errorf("expecting %q: %w", expect, err)
		}
	}
	if err := h.leadsTo(ctx, first.in, name, first.v.Key.ID); err != nil {
		return err
	}
	if err := h.do(ctx, second.v, broker.Action{Kind: broker.Activate, Consumer: name, Expect: first.v.Key.ID}); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	return h.leadsTo(ctx, first.in, name, second.v.Key.ID)
}

func deactivates(ctx context.Context, h *harness) error {
	first, second, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	err = h.do(ctx, second.v, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: first.v.Key.ID})
	if err := named("take from a key that has it not", err, broker.Conflict); err != nil {
		return err
	}
	if err := h.do(ctx, first.v, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: second.v.Key.ID}); err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	if err := h.leadsTo(ctx, first.in, name, second.v.Key.ID); err != nil {
		return err
	}
	if err := h.do(ctx, second.v, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: second.v.Key.ID}); err != nil {
		return fmt.Errorf("take away: %w", err)
	}
	return h.leadsTo(ctx, first.in, name, "")
}

func forbiddenName(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"../x", "schlüssel", "a b"} {
		err := h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: h.nameOf(name)})
		if err := is(err, broker.Misuse, broker.Rejected); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}
