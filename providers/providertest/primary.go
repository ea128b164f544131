package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// primaryChecks are about keys of which consumers get the primary version.
func primaryChecks() []check {
	byPrimary := gives(broker.GivenPrimary)
	return []check{
		{name: "an import gives consumers nothing until it is activated", when: byPrimary, run: noPrimary},
		{name: "a primary moves by activation alone", when: byPrimary, run: movesPrimary},
		{name: "activate takes the primary only from whom it is expected", when: byPrimary, run: primaryExpected},
		{name: "deactivate gives consumers the primary before", when: byPrimary, run: primaryBack},
		{name: "a primary is not activated by another's name", when: byPrimary, run: primaryElsewhere},
	}
}

func (h *harness) setPrimary(ctx context.Context, f filled, expect string) error {
	err := h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: f.consumer, Expect: expect})
	if err != nil {
		return fmt.Errorf("activate version %s: %w", f.v.ID, err)
	}
	return h.leadsTo(ctx, f.in, f.consumer, f.v.ID)
}

func noPrimary(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	if first.consumer == "" || first.consumer != second.consumer {
		return fmt.Errorf("consumers are told to use %q, then %q", first.consumer, second.consumer)
	}
	return h.none(ctx, broker.Query{Consumer: first.consumer})
}

func movesPrimary(ctx context.Context, h *harness) error {
	first, err := h.fill(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	if err := h.setPrimary(ctx, first, ""); err != nil {
		return err
	}
	second, err := h.next(ctx, first)
	if err != nil {
		return err
	}
	if err := h.leadsTo(ctx, first.in, first.consumer, first.v.ID); err != nil {
		return fmt.Errorf("after a further import: %w", err)
	}
	o, err := h.one(ctx, broker.Query{Key: &first.v.Key})
	if err != nil || o.Version != first.v {
		return fmt.Errorf("the key is seen with version %s: %w", o.Version.ID, err)
	}
	if err := h.setPrimary(ctx, second, first.v.ID); err != nil {
		return err
	}
	return h.state(ctx, first, broker.RemoteEnabled)
}

func primaryExpected(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	activate := func(f filled, expect string) error {
		return named(fmt.Sprintf("version %s expecting %q", f.v.ID, expect),
			h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: f.consumer, Expect: expect}), broker.Conflict)
	}
	for _, expect := range []string{first.v.ID, second.v.ID} {
		if err := activate(second, expect); err != nil {
			return fmt.Errorf("before there is one: %w", err)
		}
	}
	if err := h.setPrimary(ctx, first, ""); err != nil {
		return err
	}
	for _, expect := range []string{"", second.v.ID, "9999"} {
		if err := activate(second, expect); err != nil {
			return err
		}
	}
	if err := h.leadsTo(ctx, first.in, first.consumer, first.v.ID); err != nil {
		return err
	}
	return h.setPrimary(ctx, second, first.v.ID)
}

func primaryBack(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	if err := h.setPrimary(ctx, first, ""); err != nil {
		return err
	}
	if err := h.setPrimary(ctx, second, first.v.ID); err != nil {
		return err
	}
	back := broker.Action{Kind: broker.Deactivate, Consumer: first.consumer, Expect: second.v.ID}
	if err := named("take from a version that is not the primary", h.do(ctx, first.v, back), broker.Conflict); err != nil {
		return err
	}
	back.Expect = first.v.ID
	if err := h.do(ctx, second.v, back); err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	return h.leadsTo(ctx, first.in, first.consumer, first.v.ID)
}

func primaryElsewhere(ctx context.Context, h *harness) error {
	first, err := h.fill(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	second, err := h.fill(ctx, h.giving(broker.GivenPrimary))
	if err != nil {
		return err
	}
	err = h.do(ctx, first.v, broker.Action{Kind: broker.Activate, Consumer: second.consumer})
	if err := is(err, broker.Misuse, broker.Rejected, broker.Conflict); err != nil {
		return err
	}
	for _, f := range []filled{first, second} {
		if err := h.none(ctx, broker.Query{Consumer: f.consumer}); err != nil {
			return err
		}
	}
	return nil
}
