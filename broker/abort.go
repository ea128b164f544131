package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
			return out, l.adviseAbort(fmt.Errorf("take back at target %s: %w", p.target.Name, err))
		}
	}
	if err := l.abandon(ctx, &out); err != nil {
		return out, l.adviseAbort(err)
	}
	return out, nil
}

// adviseAbort tells a person what an abort leaves behind that did not come to its end.
func (l *line) adviseAbort(cause error) error {
	return l.advised(cause, "abort "+string(l.op.Kind)+" of", FinishAbort(l.op.ID))
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
	out.Operation.State = op.Standing()
	if v, ok := view.Version(op.Operation.Number); ok {
		out.Material = v.Material.ID
	}
	for _, p := range view.Placements {
		if p.Number != op.Operation.Number {
			continue
		}
		if p.Version.Key.ID != "" {
			out.Keys = append(out.Keys, TakenBack{Target: p.Target, Version: p.Version, State: p.Remote})
		}
		if p.Step == PlacementAbandoned {
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
	_, op, err = b.heldOperation(ctx, id, o.KeyName)
	if err != nil {
		release()
		return nil, nil, err
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
	if done, err := l.takenBack(ctx, p, out); err != nil || done {
		return err
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
	seen, err := scheduleDeletion(ctx, p.target, rec.Effect, v, deletion{window, l.patience(p, "its deletion to be seen")})
	if err != nil {
		return err
	}
	out.add(p, seen)
	p.placement.Step, p.placement.Remote, p.placement.SeenAt = PlacementAbandoned, seen.State, l.b.o.Now()
	if rec.Done() {
		return nil
	}
	return l.settle(ctx, p, rec, seen.State, map[string]any{"key_ref": v.Key.ID, "state": seen.State, "deletion_at": seen.DeletionAt})
}

// takenBack: what is on record as taken back is looked at once, and not waited for. It
// is done unless somebody brought it back meanwhile.
func (l *line) takenBack(ctx context.Context, p *place, out *Aborted) (bool, error) {
	if rec := l.effects[l.effect(p, StepAbandon).ID()]; !rec.Done() {
		return false, nil
	}
	seen, _, gone, err := left(ctx, p.target, p.placement.Version.Key)
	if err == nil && gone {
		out.add(p, seen)
	}
	return gone, err
}

// oursToTakeBack: where a key comes to be with its first import, its name may be
// somebody else's by now. It is ours if every version that is there carries our key's
// id; without an import of ours, or any version, nothing is.
func (l *line) oursToTakeBack(ctx context.Context, p *place) (bool, error) {
	if !p.caps.ImportMakesKey || p.placement.Version.Key.ID == "" {
		return true, nil
	}
	rec, sent := l.effects[l.effect(p, StepImport).ID()]
	if !sent {
		return false, nil
	}
	seen, err := l.allThatCame(ctx, p, rec)
	if err != nil {
		return false, err
	}
	ours, sightings := 0, []Sighting{}
	for _, o := range seen {
		why := "it is not ours"
		if o.KeyID == l.key.ID {
			why = "it is ours"
			ours++
		}
		sightings = append(sightings, p.sighted(o, why))
	}
	if ours == 0 || ours == len(seen) {
		return ours > 0, nil
	}
	return false, &Error{
		Kind: Undecided, Op: "take back", Object: p.placement.Version.Key.ID,
		Cause: fmt.Errorf("%d of its %d versions are not ours", len(seen)-ours, len(seen)),
		Hint:  "deleting it would take somebody else's versions too: find out whose they are",
		Seen:  sightings,
	}
}

// allThatCame are a key's versions. An import that is not settled on record may bring
// one until the target has settled; what is on record may only be seen late.
func (l *line) allThatCame(ctx context.Context, p *place, rec EffectRecord) (seen []Observation, err error) {
	query := Query{Versions: &p.placement.Version.Key}
	if !rec.Done() {
		l.tellWait(ctx, p, "an import whose answer is not on record", p.caps.Settle)
		return l.lookSettled(ctx, p, query)
	}
	patience := l.patience(p, "its version to be seen")
	err = patience(ctx, l.unseenFor(p, rec), p.caps.Poll, func() (bool, error) {
		seen, err = l.look(ctx, p, query)
		return err != nil || slices.ContainsFunc(seen, func(o Observation) bool { return o.KeyID == l.key.ID }), err
	})
	return seen, err
}

// leaveAsSeen: a renewal that is given up may have arrived all the same. What the
// target has, and when that ends, is what is on record afterwards.
func (l *line) leaveAsSeen(ctx context.Context, p *place) error {
	if _, begun := l.effects[l.effect(p, StepRenew).ID()]; !begun {
		return nil
	}
	v := p.placement.Version
	l.tellWait(ctx, p, "a renewal that may still arrive", p.caps.Settle)
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
	l.tellWait(ctx, p, "a key whose making is not on record", p.caps.Settle)
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
	rec, moved := l.effects[l.effect(p, StepActivate).ID()]
	patience := l.patience(p, "the name consumers use to be seen")
	err = patience(ctx, l.unseenFor(p, rec), p.caps.Poll, func() (bool, error) {
		now, err = l.consumerNow(ctx, p)
		return err != nil || now != "" || !moved, err
	})
	return now, err
}

// add says what became of a key, and counts what is really on its way to deletion.
func (a *Aborted) add(p *place, seen Observation) {
	v := p.placement.Version
	a.Keys = append(a.Keys, TakenBack{Target: p.target.Name, Version: v, State: seen.State, DeletionAt: seen.DeletionAt})
	if seen.State != RemoteScheduled {
		return
	}
	a.Scheduled = append(a.Scheduled, v)
	if seen.DeletionAt.After(a.DeletionAt) {
		a.DeletionAt = seen.DeletionAt
	}
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
