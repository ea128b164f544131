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
		{name: "activate gives consumers the version", run: activates},
		{name: "activate takes a name only from whom it is expected", run: activatesExpected},
		{name: "deactivate takes the name away, or back", run: deactivates},
		{name: "a name that is not allowed is refused", run: forbiddenName},
		{name: "disable and enable", run: disables},
		{name: "schedule and cancel a deletion", run: schedules},
		{name: "a waiting period outside the limits is refused", run: badWindow},
		{name: "an empty key can be scheduled, not enabled", run: emptyKey},
		{name: "an action that does not exist is unsupported", run: noSuchAction},
	}
}

func activates(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	name := h.consumer()
	if err := h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: name}); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	err = h.eventually(ctx, func() error { return h.leadsTo(ctx, name, v.Key.ID) })
	if err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Key: &v.Key})
	if err != nil || !slices.Contains(o.Consumers, name) {
		return fmt.Errorf("consumers are %v, not %s: %w", o.Consumers, name, err)
	}
	v.Via = name
	return h.prove(ctx, v, m, in.Purpose)
}

func (h *harness) leadsTo(ctx context.Context, name, key string) error {
	now, err := h.leads(ctx, name)
	if err == nil && now != key {
		err = fmt.Errorf("%s leads to %q, not to %q", name, now, key)
	}
	return err
}

// two are two keys of one spec with material, the first under a name.
func (h *harness) two(ctx context.Context) (first, second broker.VersionRef, name string, err error) {
	name = h.consumer()
	if first, _, _, err = h.ready(ctx); err != nil {
		return first, second, name, err
	}
	if second, _, _, err = h.ready(ctx); err != nil {
		return first, second, name, err
	}
	return first, second, name, h.do(ctx, first, broker.Action{Kind: broker.Activate, Consumer: name})
}

func activatesExpected(ctx context.Context, h *harness) error {
	first, second, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	for _, expect := range []string{"", second.Key.ID, h.Missing.ID} {
		err := h.do(ctx, second, broker.Action{Kind: broker.Activate, Consumer: name, Expect: expect})
		if err := is(err, broker.Conflict); err != nil {
			return fmt.Errorf("expecting %q: %w", expect, err)
		}
	}
	if err := h.leadsTo(ctx, name, first.Key.ID); err != nil {
		return err
	}
	if err := h.do(ctx, second, broker.Action{Kind: broker.Activate, Consumer: name, Expect: first.Key.ID}); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	return h.eventually(ctx, func() error { return h.leadsTo(ctx, name, second.Key.ID) })
}

func deactivates(ctx context.Context, h *harness) error {
	first, second, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	err = h.do(ctx, second, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: first.Key.ID})
	if err := is(err, broker.Conflict); err != nil {
		return fmt.Errorf("take from a key that has it not: %w", err)
	}
	if err := h.do(ctx, first, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: second.Key.ID}); err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	if err := h.eventually(ctx, func() error { return h.leadsTo(ctx, name, second.Key.ID) }); err != nil {
		return err
	}
	if err := h.do(ctx, second, broker.Action{Kind: broker.Deactivate, Consumer: name, Expect: second.Key.ID}); err != nil {
		return fmt.Errorf("take away: %w", err)
	}
	return h.eventually(ctx, func() error { return h.leadsTo(ctx, name, "") })
}

func forbiddenName(ctx context.Context, h *harness) error {
	v, _, _, err := h.ready(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"../x", "schlüssel", "a b"} {
		err := h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: h.consumerOf(name)})
		if err := is(err, broker.Misuse, broker.Rejected); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

func disables(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Disable}); err != nil {
		return fmt.Errorf("disable: %w", err)
	}
	if err := h.state(ctx, v.Key, broker.RemoteDisabled); err != nil {
		return err
	}
	c, err := h.challenge(v, m, in.Purpose)
	if err != nil {
		return err
	}
	if _, err := h.Provider.Prove(ctx, v, c); is(err, broker.Conflict) != nil {
		return fmt.Errorf("prove while disabled: %w", is(err, broker.Conflict))
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Enable}); err != nil {
		return fmt.Errorf("enable: %w", err)
	}
	if err := h.state(ctx, v.Key, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, v, m, in.Purpose)
}

func schedules(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	rule := h.Provider.Capabilities().Deletion
	if err := h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: rule.Min}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := h.state(ctx, v.Key, broker.RemoteScheduled); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Key: &v.Key})
	if off := o.DeletionAt.Sub(h.Now().Add(rule.Min)).Abs(); err != nil || off > 25*time.Hour {
		return fmt.Errorf("deletion at %s, %s off: %w", o.DeletionAt, off, err)
	}
	if err := is(h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: rule.Min}), broker.Conflict); err != nil {
		return fmt.Errorf("schedule again: %w", err)
	}
	if err := is(h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: h.consumer()}), broker.Conflict); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	if _, err := h.importing(ctx, v.Key, m); is(err, broker.Conflict) != nil {
		return fmt.Errorf("import: %w", is(err, broker.Conflict))
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Cancel}); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	if err := h.state(ctx, v.Key, broker.RemoteDisabled); err != nil {
		return err
	}
	if err := is(h.do(ctx, v, broker.Action{Kind: broker.Cancel}), broker.Conflict); err != nil {
		return fmt.Errorf("cancel again: %w", err)
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Enable}); err != nil {
		return fmt.Errorf("enable: %w", err)
	}
	return h.eventually(ctx, func() error { return h.prove(ctx, v, m, in.Purpose) })
}

func badWindow(ctx context.Context, h *harness) error {
	v, _, _, err := h.ready(ctx)
	if err != nil {
		return err
	}
	rule := h.Provider.Capabilities().Deletion
	for _, window := range []time.Duration{rule.Min - 24*time.Hour, rule.Max + 24*time.Hour, -time.Hour} {
		if err := is(h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: window}), broker.Rejected); err != nil {
			return fmt.Errorf("%s: %w", window, err)
		}
	}
	return h.state(ctx, v.Key, broker.RemoteEnabled)
}

func emptyKey(ctx context.Context, h *harness) error {
	key, err := h.prepare(ctx, h.simple())
	if err != nil {
		return err
	}
	v := broker.VersionRef{Key: key}
	if err := is(h.do(ctx, v, broker.Action{Kind: broker.Enable}), broker.Conflict); err != nil {
		return fmt.Errorf("enable: %w", err)
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Schedule}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return h.state(ctx, key, broker.RemoteScheduled)
}

func noSuchAction(ctx context.Context, h *harness) error {
	v, _, _, err := h.ready(ctx)
	if err != nil {
		return err
	}
	return is(h.do(ctx, v, broker.Action{Kind: "polish"}), broker.Unsupported)
}
