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
	for _, p := range l.places {
		if err := l.op.windowFits(p.target, p.placement, req.Window); err != nil {
			return Aborted{}, err
		}
	}
	l.why = req.Why
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
		if p.Number != op.Operation.Number || p.Step == PlacementAbandoned {
			continue
		}
		t, err := b.target(p.Target)
		if err == nil {
			err = op.Operation.windowFits(t, p, req.Window)
		}
		if err != nil {
			return Aborted{}, err
		}
		if p.Version.Key.ID != "" {
			out.Scheduled = append(out.Scheduled, p.Version)
		}
	}
	return out, nil
}

// openAbort opens an operation with every placement of its version, whatever was
// taken back already and however far it came.
func (b *Broker) openAbort(ctx context.Context, id string) (*line, func(), error) {
	op, err := b.o.Store.Operation(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	o := op.Operation
	l, release, err := b.startExisting(ctx, existing{kind: OpVerify, name: o.KeyName, number: o.Number, all: true})
	if err != nil {
		return nil, nil, err
	}
	op, err = b.o.Store.Operation(ctx, id)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("read operation %s: %w", id, err)
	}
	l.op, l.resumed = op.Operation, true
	for _, r := range op.Effects {
		l.effects[r.Effect.ID()] = r
	}
	return l, release, nil
}

// abandonIntent is on record before anything is taken back, with who and why; without
// a window where none can be chosen then.
type abandonIntent struct {
	Window string `json:"window,omitempty"`
	Reason string `json:"reason"`
}

// abandoning: an operation that is being taken back is not resumed.
func abandoning(op OperationView) error {
	for _, r := range op.Effects {
		if r.Effect.Step == StepAbandon {
			return &Error{
				Kind: Conflict, Op: "go on with", Object: "operation " + op.Operation.ID,
				Cause: errors.New("it is being taken back"),
				Hint:  "keyferry operation abort " + op.Operation.ID + " --reason … finishes that",
			}
		}
	}
	return nil
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
		return l.leaveAsSeen(ctx, p)
	}
	if err := l.findUnrecorded(ctx, p); err != nil {
		return err
	}
	v := VersionRef{Key: p.placement.Version.Key} // all that came into it, recorded or not
	ours, err := l.oursToTakeBack(ctx, p)
	if err != nil {
		return err
	}
	if v.Key.ID == "" || !ours {
		p.placement.Step = PlacementAbandoned
		return nil
	}
	window = p.target.windowOf(p.placement, window)
	intent := abandonIntent{Reason: l.why.Reason}
	if window != 0 {
		intent.Window = window.String()
	}
	rec, _, err := l.intend(ctx, p, StepAbandon, intent, map[string]any{"key_ref": v.Key.ID, "window": intent.Window})
	if err != nil {
		return err
	}
	if err := l.releaseConsumer(ctx, p); err != nil {
		return err
	}
	seen, err := scheduleDeletion(ctx, p.target, rec.Effect, v, window)
	if err != nil {
		return err
	}
	out.add(v, seen)
	p.placement.Step, p.placement.Remote, p.placement.SeenAt = PlacementAbandoned, seen.State, l.b.o.Now()
	if rec.Done() {
		return nil
	}
	return l.settle(ctx, p, rec, seen.State, map[string]any{"key_ref": v.Key.ID, "state": seen.State, "deletion_at": seen.DeletionAt})
}

// oursToTakeBack: where a key comes to be with its first import, its name may be
// somebody else's by now. It is ours if every version that is there carries our key's
// id; without an import of ours, or any version, nothing is.
func (l *line) oursToTakeBack(ctx context.Context, p *place) (bool, error) {
	if !p.caps.ImportMakesKey || p.placement.Version.Key.ID == "" {
		return true, nil
	}
	if _, sent := l.effects[l.effect(p, StepImport).ID()]; !sent {
		return false, nil
	}
	seen, err := l.lookSettled(ctx, p, Query{Versions: &p.placement.Version.Key})
	if err != nil {
		return false, err
	}
	ours := 0
	for _, o := range seen {
		if o.KeyID == l.key.ID {
			ours++
		}
	}
	if ours == 0 || ours == len(seen) {
		return ours > 0, nil
	}
	return false, &Error{
		Kind: Undecided, Op: "take back", Object: p.placement.Version.Key.ID,
		Cause: fmt.Errorf("%d of its %d versions are not ours", len(seen)-ours, len(seen)),
		Hint:  "deleting it would take somebody else's versions too: find out whose they are",
	}
}

// leaveAsSeen: a renewal that is given up may have arrived all the same. What the
// target has, and when that ends, is what is on record afterwards.
func (l *line) leaveAsSeen(ctx context.Context, p *place) error {
	if _, begun := l.effects[l.effect(p, StepRenew).ID()]; !begun {
		return nil
	}
	v := p.placement.Version
	seen, err := l.lookSettled(ctx, p, Query{Version: &v})
	if err != nil {
		return err
	}
	before := p.placement.ValidTo
	p.placement.Remote, p.placement.SeenAt = RemoteDestroyed, l.b.o.Now()
	if len(seen) > 0 {
		p.placement.Remote, p.placement.ValidTo = seen[0].State, seen[0].ValidTo
	}
	_, err = l.apply(ctx, "placement.seen", p, Change{Placements: []Placement{p.placement}}, map[string]any{
		"state": p.placement.Remote, "valid_to": end(p.placement.ValidTo), "valid_to_before": end(before),
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
	if p.placement.Consumer == "" || p.given(l.key.Purpose) != GivenName {
		return nil
	}
	now, err := l.consumerOf(ctx, p)
	if err != nil || now != p.placement.Version.Key.ID {
		return err
	}
	action := Action{Kind: Deactivate, Consumer: p.placement.Consumer, Expect: now}
	return l.again(ctx, func(ctx context.Context) error {
		_, err := p.target.Provider.Do(ctx, l.effect(p, StepAbandon), p.placement.Version, action)
		return err
	})
}

// consumerOf is like consumerNow; a name that was to be moved and is not seen yet
// has the target's settle time to appear.
func (l *line) consumerOf(ctx context.Context, p *place) (now string, err error) {
	_, moved := l.effects[l.effect(p, StepActivate).ID()]
	err = eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
		now, err = l.consumerNow(ctx, p)
		return err != nil || now != "" || !moved, err
	})
	return now, err
}

// add counts what is really on its way to deletion.
func (a *Aborted) add(v VersionRef, seen Observation) {
	if seen.State != RemoteScheduled {
		return
	}
	a.Scheduled = append(a.Scheduled, v)
	if seen.DeletionAt.After(a.DeletionAt) {
		a.DeletionAt = seen.DeletionAt
	}
}

// scheduleDeletion has the target delete the key after the window, and returns
// what is seen of it then: scheduled, or destroyed where it is no longer there.
// Scheduled already, it is left so.
func scheduleDeletion(ctx context.Context, t Target, e Effect, v VersionRef, window time.Duration) (Observation, error) {
	seen, gone, err := lookGone(ctx, t, v.Key, false)
	for range attempts {
		if err != nil || gone {
			return seen, err
		}
		err = again(ctx, func() error {
			_, err := t.Provider.Do(ctx, e, v, Action{Kind: Schedule, Window: window})
			return err
		})
		if err != nil && !errors.Is(err, Unclear) && !errors.Is(err, Conflict) {
			return Observation{}, err
		}
		seen, gone, err = lookGone(ctx, t, v.Key, true)
	}
	if err != nil || gone {
		return seen, err
	}
	return Observation{}, &Error{Kind: Unavailable, Op: "schedule deletion of", Object: v.Key.ID, Cause: fmt.Errorf("it was asked for, and the key is %s", seen.State)}
}

// lookGone looks at a key until it is seen, or, asked, until it is gone, or the target
// has settled; gone is that nothing of it can be used any more. A key that is not seen by then is
// destroyed; one that stays without versions is gone as far as a key can be.
func lookGone(ctx context.Context, t Target, key KeyRef, asked bool) (seen Observation, gone bool, err error) {
	caps := t.Provider.Capabilities()
	query := Query{Key: &key}
	if caps.Deletion.KeysStay {
		query = Query{Versions: &key}
	}
	err = eventually(ctx, caps.Settle, caps.Poll, func() (bool, error) {
		found, err := look(ctx, t, query)
		if err != nil {
			return true, err
		}
		seen, gone = remains(key, found)
		return (len(found) > 0 || caps.Deletion.KeysStay) && (gone || !asked), nil
	})
	return seen, gone, err
}

// remains is what of a key, or of its versions, is furthest from being gone; pure.
func remains(key KeyRef, found []Observation) (worst Observation, gone bool) {
	worst, gone = Observation{Version: VersionRef{Key: key}, State: RemoteDestroyed}, true
	for _, o := range found {
		switch o.State {
		case RemoteDestroyed, RemoteFailed:
		case RemoteScheduled:
			if gone && !o.DeletionAt.Before(worst.DeletionAt) {
				worst = o
			}
		default:
			if gone {
				worst, gone = o, false
			}
		}
	}
	return worst, gone
}

func (l *line) abandon(ctx context.Context, out *Aborted) error {
	op, version := l.ended(Abandoned), l.version
	op.Problem = "taken back: " + l.why.Reason
	change := Change{Operation: &op, Placements: l.placements()}
	if op.Kind == OpImport {
		if version.State == PreActivation || version.State == Active {
			version.State = Deactivated
		}
		change.Version = &version
	}
	head, err := l.apply(ctx, string(op.Kind)+".abandoned", nil, change, map[string]any{"material": out.Material})
	if err != nil {
		return err
	}
	l.op, l.version, out.Operation = op, version, op
	l.b.remember(ctx, l.setup, head)
	return nil
}
