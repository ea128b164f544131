package broker

import (
	"context"
	"errors"
)

// ImportNext makes version 2 of a key: what a rotation will do, so that tests see what
// the line does with versions that cannot be staged. Begun already, it goes on.
func (b *Broker) ImportNext(ctx context.Context, req ImportRequest) (Result, error) {
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: req.Name}) {
		if err != nil {
			return Result{}, err
		}
		if op.Operation.Number == 2 {
			return b.Resume(ctx, op.Operation.ID)
		}
	}
	w, err := b.resolve(req)
	if err == nil {
		err = b.trust(ctx, w.targets)
	}
	if err != nil {
		return Result{}, err
	}
	lease, release, err := b.takeLease(ctx, w.name)
	if err != nil {
		return Result{}, err
	}
	defer release()
	l, err := b.nextLine(ctx, w, lease)
	if err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

func (b *Broker) nextLine(ctx context.Context, w want, lease Lease) (*line, error) {
	view, err := b.o.Store.Key(ctx, w.name)
	if err != nil {
		return nil, err
	}
	l, err := b.newLine(w, lease)
	if err != nil {
		return nil, err
	}
	l.key, l.op.KeyID, l.op.Number = view.Key, view.Key.ID, 2
	l.version.KeyID, l.version.Number = view.Key.ID, 2
	for _, t := range w.targets {
		p := l.newPlace(t, Placement{
			KeyID: view.Key.ID, Number: 2, Target: t.Name, Step: PlacementIntended, Consumer: t.consumerOf(w.name), Terms: w.terms(t),
		})
		err = errors.Join(err, l.plan(ctx, p))
		p.placement.Transport = Transport{Mechanism: p.plan.Mechanism, Way: p.plan.Way}
		l.places = append(l.places, p)
	}
	if err != nil {
		return nil, err
	}
	_, err = l.apply(ctx, "rotation.begun", nil, Change{NewVersion: &l.version, NewOperation: &l.op, Placements: l.placements()}, nil)
	return l, err
}

// Note writes an entry about nothing.
func (b *Broker) Note(ctx context.Context, event string) (Head, error) {
	setup, err := b.token()
	if err != nil {
		return Head{}, err
	}
	return b.write(ctx, setup, Change{Entry: Entry{At: b.o.Now(), Event: event, Actor: b.o.Actor}})
}
