package providertest

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func timeChecks() []check {
	return []check{
		{name: "material ends at its valid-to, and can be restored", when: renews, needs: []Need{NeedClock}, run: expires},
		{name: "a version is not used after its end, and its end can be moved", when: endsMove, needs: []Need{NeedClock}, run: outlives},
		{name: "an import token ends", needs: []Need{NeedClock}, run: tokenEnds},
		{name: "a key is gone after its waiting period", when: keysGo, needs: []Need{NeedClock}, run: deleted},
		{name: "a version is gone after its waiting period, its key stays", when: keysStay, needs: []Need{NeedClock}, run: destroyed},
	}
}

func expires(ctx context.Context, h *harness) error {
	f, err := h.fill(ctx, h.simple(), until(h.Now().Add(48*time.Hour).Truncate(time.Second)))
	if err != nil {
		return err
	}
	h.Advance(49 * time.Hour)
	if err := h.state(ctx, f, broker.RemotePending); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err != nil || o.HasMaterial || o.Version != f.v {
		return fmt.Errorf("material %v in version %v after its end: %w", o.HasMaterial, o.Version, err)
	}
	if err := is(h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	return h.restore(ctx, f)
}

// outlives asks for a signature: decryption is not bound by an end everywhere.
func outlives(ctx context.Context, h *harness) error {
	in, ok := h.picked(func(_ broker.KeySpec, p broker.Purpose) bool { return p == broker.Sign })
	if !ok {
		return nil
	}
	end := h.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	f, err := h.fill(ctx, in, until(end))
	if err != nil {
		return err
	}
	if err := h.ends(ctx, f, end); err != nil {
		return err
	}
	h.Advance(49 * time.Hour)
	if err := named("prove after its end", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	later := h.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.SetEnd, ValidTo: later}); err != nil {
		return fmt.Errorf("move its end: %w", err)
	}
	if err := h.ends(ctx, f, later); err != nil {
		return err
	}
	return h.eventually(ctx, func() error { return h.prove(ctx, f) })
}

func tokenEnds(ctx context.Context, h *harness) error {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	ready, err := h.wrapped(ctx, key, in, make1(in.Spec), "")
	if err != nil {
		return err
	}
	w, err := h.wrappingKey(ctx, key, ready.Mechanism)
	if err != nil || w.ExpiresAt.IsZero() {
		return err
	}
	h.Advance(w.ExpiresAt.Sub(h.Now()) + time.Minute)
	_, err = h.Provider.Import(ctx, h.effect(broker.StepImport), ready)
	if err := is(err, broker.Expired); err != nil {
		return err
	}
	if err := h.empty(ctx, key); err != nil {
		return err
	}
	clear(h.kept)
	_, err = h.fillKey(ctx, key, in, make1(in.Spec)) // by another
	return err
}

func deleted(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	name := f.consumer
	if name == "" {
		name = h.freeConsumer()
		if err := h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: name}); err != nil {
			return err
		}
	}
	rule := h.caps().Deletion
	if err := h.do(ctx, h.scheduling(f), broker.Action{Kind: broker.Schedule, Window: rule.Min}); err != nil {
		return err
	}
	h.Advance(rule.Min + time.Hour)
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Key: &f.v.Key})
		if err == nil && len(seen) > 0 && seen[0].State != broker.RemoteDestroyed {
			err = fmt.Errorf("it is still %s", seen[0].State)
		}
		if err == nil {
			err = h.none(ctx, broker.Query{Consumer: name})
		}
		if err == nil && f.in.RemoteName != "" {
			err = h.none(ctx, broker.Query{Name: f.in.RemoteName})
		}
		return err
	})
}

// destroy schedules a version and lets its waiting period pass.
func (h *harness) destroy(ctx context.Context, f filled) error {
	if err := h.do(ctx, f.v, broker.Action{Kind: broker.Schedule}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := h.state(ctx, f, broker.RemoteScheduled); err != nil {
		return err
	}
	h.Advance(cmp.Or(f.in.Window, h.caps().Deletion.Default) + time.Hour)
	return h.state(ctx, f, broker.RemoteDestroyed)
}

func destroyed(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	if err := h.destroy(ctx, first); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &first.v})
	if err != nil || o.HasMaterial {
		return fmt.Errorf("material %v after its end: %w", o.HasMaterial, err)
	}
	if err := named("prove", h.asked(ctx, first), broker.Conflict, broker.NotFound); err != nil {
		return err
	}
	if err := named("enable", h.do(ctx, first.v, broker.Action{Kind: broker.Enable}), broker.Conflict); err != nil {
		return err
	}
	if err := h.versionsAre(ctx, first.v.Key, first.v.ID, second.v.ID); err != nil {
		return err
	}
	if _, err := h.one(ctx, broker.Query{Name: first.in.RemoteName}); err != nil {
		return fmt.Errorf("by its name: %w", err)
	}
	return h.prove(ctx, second)
}
