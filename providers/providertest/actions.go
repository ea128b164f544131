package providertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func actionChecks() []check {
	return []check{
		{name: "disable and enable", run: disables},
		{name: "disable and enable one version of several", when: both(further, apart), run: disablesOne},
		{name: "an action that does not exist is unsupported", run: noSuchAction},
		{name: "an action that the target has not is unsupported", run: lackingAction},
		{name: "an end is not moved where it comes with the import", when: func(c broker.Capabilities) bool { return !c.ValidTo.Moves }, run: endStays},
	}
}

// disabled disables a version and waits until it is seen.
func (h *harness) disabled(ctx context.Context, f filled) error {
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.Disable}); err != nil {
		return fmt.Errorf("disable: %w", err)
	}
	return h.state(ctx, f, broker.RemoteDisabled)
}

func (h *harness) enabled(ctx context.Context, f filled) error {
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.Enable}); err != nil {
		return fmt.Errorf("enable: %w", err)
	}
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.eventually(ctx, func() error { return h.prove(ctx, f) })
}

func disables(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.disabled(ctx, f); err != nil {
		return err
	}
	if err := named("prove while disabled", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	o, err := h.one(ctx, h.query(f))
	if err != nil || !o.HasMaterial {
		return fmt.Errorf("material while disabled: %v: %w", o.HasMaterial, err)
	}
	return h.enabled(ctx, f)
}

func disablesOne(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	if err := h.disabled(ctx, first); err != nil {
		return err
	}
	if err := named("prove the disabled one", h.asked(ctx, first), broker.Conflict); err != nil {
		return err
	}
	if err := h.prove(ctx, second); err != nil {
		return fmt.Errorf("prove the other: %w", err)
	}
	return h.enabled(ctx, first)
}

func noSuchAction(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	return is(h.do(ctx, f.v, broker.Action{Kind: "polish"}), broker.Unsupported)
}

func lackingAction(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	has := h.actions(f.in)
	for _, kind := range []broker.ActionKind{broker.Activate, broker.DeleteMaterial} {
		if slices.Contains(has, kind) {
			continue
		}
		if err := named(string(kind), h.do(ctx, f.v, broker.Action{Kind: kind, Consumer: f.consumer}), broker.Unsupported); err != nil {
			return err
		}
	}
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func endStays(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	return is(h.do(ctx, f.v, broker.Action{Kind: broker.SetEnd, ValidTo: h.Now().Add(24 * time.Hour)}), broker.Unsupported)
}
