package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Abort takes an import back: what consumers use no longer leads to its key, the
// key at the target is scheduled for deletion after its waiting period, and the
// token's object is named and stays. A reason is required.
func (b *Broker) Abort(ctx context.Context, req AbortRequest) (Aborted, error) {
	if req.Reason == "" {
		return Aborted{}, misuse("abort operation "+req.Operation, "a reason is required: --reason …")
	}
	l, release, err := b.openAbort(ctx, req.Operation)
	if err != nil {
		return Aborted{}, err
	}
	defer release()
	if err := l.abortable(); err != nil {
		return Aborted{}, err
	}
	l.op.Reason, l.op.Ticket = req.Reason, first(req.Ticket, l.op.Ticket)
	out := Aborted{Material: l.version.Material.ID}
	for _, p := range l.places {
		if err := l.takeBack(ctx, p, req.Window, &out); err != nil {
			return out, l.advise(fmt.Errorf("take back at target %s: %w", p.target.Name, err))
		}
	}
	return out, l.abandon(ctx, &out)
}

// PlanAbort says what Abort would take back, and touches nothing.
func (b *Broker) PlanAbort(ctx context.Context, req AbortRequest) (Aborted, error) {
	op, err := b.o.Store.Operation(ctx, req.Operation)
	if err != nil {
		return Aborted{}, fmt.Errorf("read operation %s: %w", req.Operation, err)
	}
	view, err := b.o.Store.Key(ctx, op.Operation.KeyName)
	if err != nil {
		return Aborted{}, fmt.Errorf("read key %s: %w", op.Operation.KeyName, err)
	}
	l := line{op: op.Operation, key: view.Key}
	if err := l.abortable(); err != nil {
		return Aborted{}, err
	}
	out := Aborted{Operation: op.Operation}
	if v, ok := view.Version(op.Operation.Number); ok {
		out.Material = v.Material.ID
	}
	for _, p := range view.Placements {
		if p.Number == op.Operation.Number && p.Version.Key.ID != "" && p.Step != PlacementAbandoned {
			out.Scheduled = append(out.Scheduled, p.Version)
		}
	}
	return out, nil
}

// openAbort is openOperation without a plan: what is taken back is not wrapped.
func (b *Broker) openAbort(ctx context.Context, id string) (*line, func(), error) {
	op, err := b.o.Store.Operation(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	l, release, err := b.startVerifyLike(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	again, err := b.o.Store.Operation(ctx, id)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	l.op, l.resumed = again.Operation, true
	for _, r := range again.Effects {
		l.effects[r.Effect.ID()] = r
	}
	return l, release, nil
}

func (b *Broker) startVerifyLike(ctx context.Context, op OperationView) (*line, func(), error) {
	return b.startVerify(ctx, existing{kind: op.Operation.Kind, name: op.Operation.KeyName, number: op.Operation.Number, all: true})
}

func (l *line) abortable() error {
	var why string
	switch {
	case l.op.State == Abandoned:
		why = "it was taken back already"
	case l.op.Kind != OpImport && l.op.State == Finished:
		why = fmt.Sprintf("a finished %s cannot be taken back", l.op.Kind)
	default:
		return nil
	}
	return &Error{Kind: Conflict, Op: "abort", Object: "operation " + l.op.ID, Cause: errors.New(why)}
}

// takeBack undoes one placement. An abandoned renewal or activation leaves the
// version where it is.
func (l *line) takeBack(ctx context.Context, p *place, window time.Duration, out *Aborted) error {
	if l.op.Kind != OpImport {
		return nil
	}
	if err := l.findUnrecorded(ctx, p); err != nil {
		return err
	}
	v := p.placement.Version
	if v.Key.ID == "" {
		p.placement.Step = PlacementAbandoned
		return nil
	}
	if err := l.releaseConsumer(ctx, p); err != nil {
		return err
	}
	at, err := l.schedule(ctx, p, first(window, p.target.Window, p.caps.Deletion.Default))
	if err != nil {
		return err
	}
	out.Scheduled = append(out.Scheduled, v)
	if at.After(out.DeletionAt) {
		out.DeletionAt = at
	}
	p.placement.Step, p.placement.Remote, p.placement.SeenAt = PlacementAbandoned, RemoteScheduled, l.b.o.Now()
	_, err = l.apply(ctx, "placement.abandoned", p, Change{Placements: []Placement{p.placement}}, map[string]any{
		"key_ref": v.Key.ID, "deletion_at": at,
	})
	return err
}

// findUnrecorded: a key may have been made without its answer arriving. What
// carries our mark and is just what we asked for is ours to take back.
func (l *line) findUnrecorded(ctx context.Context, p *place) error {
	rec, ok := l.effects[l.effect(p, StepPrepare).ID()]
	if !ok || p.placement.Version.Key.ID != "" {
		return nil
	}
	var in PrepareIn
	if err := json.Unmarshal(rec.Intent, &in); err != nil {
		return fmt.Errorf("decode intent: %w", err)
	}
	key, found, err := l.findPrepared(ctx, p, rec, in)
	if err != nil || !found {
		return err
	}
	p.placement.Version = VersionRef{Key: key}
	return nil
}

// releaseConsumer removes the name consumers use, if it leads to this key.
func (l *line) releaseConsumer(ctx context.Context, p *place) error {
	if p.placement.Consumer == "" {
		return nil
	}
	now, err := l.consumerNow(ctx, p)
	if err != nil || now != p.placement.Version.Key.ID {
		return err
	}
	action := Action{Kind: Deactivate, Consumer: p.placement.Consumer, Expect: now}
	return again(ctx, func() error {
		_, err := p.target.Provider.Do(ctx, l.effect(p, StepAbandon), p.placement.Version, action)
		return err
	})
}

// schedule has the target delete the key after the window; scheduled already, it
// is left so.
func (l *line) schedule(ctx context.Context, p *place, window time.Duration) (time.Time, error) {
	return scheduleDeletion(ctx, p.target, l.effect(p, StepAbandon), p.placement.Version, window)
}

func scheduleDeletion(ctx context.Context, t Target, e Effect, v VersionRef, window time.Duration) (time.Time, error) {
	for i := range attempts {
		seen, err := look(ctx, t, Query{Key: &v.Key})
		if err != nil {
			return time.Time{}, err
		}
		if len(seen) == 0 || seen[0].State == RemoteDestroyed {
			return time.Time{}, nil
		}
		if seen[0].State == RemoteScheduled {
			return seen[0].DeletionAt, nil
		}
		if i == attempts-1 {
			break
		}
		err = again(ctx, func() error {
			_, err := t.Provider.Do(ctx, e, v, Action{Kind: Schedule, Window: window})
			return err
		})
		if err != nil && !errors.Is(err, Unclear) {
			return time.Time{}, err
		}
	}
	return time.Time{}, &Error{Kind: Unavailable, Op: "schedule deletion of", Object: v.Key.ID, Cause: errors.New("it was accepted, but is not seen")}
}

func (l *line) abandon(ctx context.Context, out *Aborted) error {
	now := l.b.o.Now()
	l.op.State, l.op.EndedAt, l.op.Problem = Abandoned, now, ""
	change := Change{Operation: &l.op, Placements: l.placements(), Seal: l.sealHead(ctx)}
	if l.op.Kind == OpImport {
		if l.version.State == PreActivation || l.version.State == Active {
			l.version.State = Deactivated
		}
		change.Version = &l.version
	}
	head, err := l.apply(ctx, string(l.op.Kind)+".abandoned", nil, change, map[string]any{"material": out.Material})
	if err != nil {
		return err
	}
	out.Operation = l.op
	l.b.remember(ctx, l.setup, head)
	return nil
}
