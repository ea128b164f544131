package providertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func deletionChecks() []check {
	return []check{
		{name: "schedule and cancel a deletion", when: keysGo, run: schedules},
		{name: "a waiting period outside the limits is refused", run: badWindow},
		{name: "an empty key can be scheduled, not enabled", when: both(keysGo, makesKeys), run: emptyKey},
		{name: "a key without versions stays", when: keysStay, run: emptyStays},
		{name: "schedule and cancel one version of several", when: keysStay, run: schedulesVersion},
		{name: "schedule and cancel every version of a key", when: keysStay, run: schedulesAll},
		{name: "a deleted key keeps its name", when: both(keysGo, namesKeys), run: keepsName},
		{name: "one version of a key is not deleted", when: both(keysGo, further, apart), run: versionStays},
	}
}

// scheduling is the version or key whose deletion can be scheduled.
func (h *harness) scheduling(f filled) broker.VersionRef {
	if apart(h.caps()) && !h.caps().Deletion.KeysStay {
		return broker.VersionRef{Key: f.v.Key}
	}
	return f.v
}

func schedules(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	v, rule, q := h.scheduling(f), h.caps().Deletion, broker.Query{Key: &f.v.Key}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: rule.Min}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := h.becomes(ctx, q, broker.RemoteScheduled); err != nil {
		return err
	}
	if err := h.deletedIn(ctx, q, rule.Min); err != nil {
		return err
	}
	if err := named("schedule again", h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: rule.Min}), broker.Conflict); err != nil {
		return err
	}
	if gives(broker.GivenName)(h.caps()) {
		if err := named("activate", h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: h.freeConsumer()}), broker.Conflict); err != nil {
			return err
		}
	}
	if _, err := h.importing(ctx, f.v.Key, f.in, f.m); is(err, broker.Conflict) != nil {
		return fmt.Errorf("import: %w", is(err, broker.Conflict))
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Cancel}); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	if err := h.cancelled(ctx, f); err != nil {
		return err
	}
	return named("cancel again", h.do(ctx, v, broker.Action{Kind: broker.Cancel}), broker.Conflict)
}

// cancelled demands that a version is back, disabled; where consumers get the newest,
// as it was.
func (h *harness) cancelled(ctx context.Context, f filled) error {
	if h.given(f.in) == broker.GivenNewest {
		if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
			return err
		}
		return h.eventually(ctx, func() error { return h.prove(ctx, f) })
	}
	if err := h.state(ctx, f, broker.RemoteDisabled); err != nil {
		return err
	}
	return h.enabled(ctx, f)
}

// deletedIn demands that what a query yields is deleted when its waiting period ends.
// Some count in days.
func (h *harness) deletedIn(ctx context.Context, q broker.Query, window time.Duration) error {
	o, err := h.one(ctx, q)
	if off := o.DeletionAt.Sub(h.Now().Add(window)).Abs(); err != nil || off > 25*time.Hour {
		return fmt.Errorf("deletion at %s, %s off: %w", o.DeletionAt, off, err)
	}
	return nil
}

func badWindow(ctx context.Context, h *harness) error {
	rule := h.caps().Deletion
	if rule.KeysStay {
		return h.badOwnWindow(ctx)
	}
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	for _, window := range []time.Duration{rule.Min - 24*time.Hour, rule.Max + 24*time.Hour, -time.Hour} {
		if err := is(h.do(ctx, h.scheduling(f), broker.Action{Kind: broker.Schedule, Window: window}), broker.Rejected, broker.Misuse); err != nil {
			return fmt.Errorf("%s: %w", window, err)
		}
	}
	return h.state(ctx, f, broker.RemoteEnabled)
}

// badOwnWindow: where only versions go, a key is made with its waiting period.
func (h *harness) badOwnWindow(ctx context.Context) error {
	rule := h.caps().Deletion
	for _, window := range []time.Duration{rule.Min - time.Hour, rule.Max + 24*time.Hour, -time.Hour} {
		in := h.simple()
		in.Window = window
		_, err := h.prepare(ctx, in)
		if err := is(err, broker.Rejected, broker.Misuse); err != nil {
			return fmt.Errorf("%s: %w", window, err)
		}
		if err := h.none(ctx, broker.Query{Name: in.RemoteName}); err != nil {
			return err
		}
	}
	in := h.simple()
	in.Window = rule.Min
	f, err := h.fill(ctx, in)
	if err != nil {
		return err
	}
	other := broker.Action{Kind: broker.Schedule, Window: rule.Max}
	if err := named("another than the key's", h.do(ctx, f.v, other), broker.Rejected, broker.Misuse); err != nil {
		return err
	}
	return h.state(ctx, f, broker.RemoteEnabled)
}

func emptyKey(ctx context.Context, h *harness) error {
	key, err := h.prepare(ctx, h.simple())
	if err != nil {
		return err
	}
	v := broker.VersionRef{Key: key}
	if err := named("enable", h.do(ctx, v, broker.Action{Kind: broker.Enable}), broker.Conflict); err != nil {
		return err
	}
	if err := h.do(ctx, v, broker.Action{Kind: broker.Schedule}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return h.becomes(ctx, broker.Query{Key: &key}, broker.RemoteScheduled)
}

func emptyStays(ctx context.Context, h *harness) error {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	if err := h.do(ctx, broker.VersionRef{Key: key}, broker.Action{Kind: broker.Schedule}); err != nil {
		if err := named("schedule", err, broker.Conflict); err != nil { // there is nothing that could go
			return err
		}
	}
	if err := h.empty(ctx, key); err != nil {
		return err
	}
	_, err = h.fillKey(ctx, key, in, make1(in.Spec))
	return err
}

func schedulesVersion(ctx context.Context, h *harness) error {
	in := h.roomy()
	in.Window = h.caps().Deletion.Min
	first, second, err := h.pair(ctx, in)
	if err != nil {
		return err
	}
	if err := h.do(ctx, first.v, broker.Action{Kind: broker.Schedule}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := h.state(ctx, first, broker.RemoteScheduled); err != nil {
		return err
	}
	if err := h.deletedIn(ctx, h.query(first), in.Window); err != nil {
		return err
	}
	if err := named("schedule again", h.do(ctx, first.v, broker.Action{Kind: broker.Schedule}), broker.Conflict); err != nil {
		return err
	}
	if err := named("prove meanwhile", h.asked(ctx, first), broker.Conflict); err != nil {
		return err
	}
	if err := h.prove(ctx, second); err != nil {
		return fmt.Errorf("prove the other: %w", err)
	}
	if err := h.do(ctx, first.v, broker.Action{Kind: broker.Cancel}); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	if err := h.cancelled(ctx, first); err != nil {
		return err
	}
	return named("cancel again", h.do(ctx, first.v, broker.Action{Kind: broker.Cancel}), broker.Conflict)
}

func schedulesAll(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	whole := broker.VersionRef{Key: first.v.Key}
	window := cmp.Or(first.in.Window, h.caps().Deletion.Default)
	if err := h.do(ctx, whole, broker.Action{Kind: broker.Schedule, Window: window}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	for _, f := range []filled{first, second} {
		if err := h.state(ctx, f, broker.RemoteScheduled); err != nil {
			return err
		}
	}
	if err := h.becomes(ctx, broker.Query{Key: &whole.Key}, broker.RemoteScheduled); err != nil {
		return err
	}
	if err := h.do(ctx, whole, broker.Action{Kind: broker.Cancel}); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	for _, f := range []filled{first, second} {
		if err := h.cancelled(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func keepsName(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.do(ctx, broker.VersionRef{Key: f.v.Key}, broker.Action{Kind: broker.Schedule}); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	var seen []broker.Observation
	err = h.eventually(ctx, func() error {
		seen, err = h.look(ctx, broker.Query{Name: f.in.RemoteName})
		if err == nil && (len(seen) != 1 || seen[0].State != broker.RemoteScheduled) {
			err = fmt.Errorf("by its name %d things are seen: %+v", len(seen), seen)
		}
		if errors.Is(err, broker.Conflict) {
			return nil // that is an answer too
		}
		return err
	})
	if err != nil {
		return err
	}
	other := h.want(f.in.Spec, f.in.Purpose)
	other.RemoteName = f.in.RemoteName
	key, err := h.prepare(ctx, other)
	if err == nil {
		_, err = h.importing(ctx, key, other, make1(other.Spec))
	}
	return named("import under the name", err, broker.Conflict)
}

func versionStays(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	if err := is(h.do(ctx, first.v, broker.Action{Kind: broker.Schedule}), broker.Unsupported); err != nil {
		return err
	}
	return h.versionsAre(ctx, first.v.Key, first.v.ID, second.v.ID)
}
