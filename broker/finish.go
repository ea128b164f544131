package broker

import (
	"context"
	"fmt"
	"slices"
)

// finish puts version, placements and the sealed audit head on record in one
// transaction. What is to be sealed or destroyed in the token is so before: after
// the last proof, and on record either way.
func (l *line) finish(ctx context.Context) error {
	now := l.b.o.Now()
	active := l.allActive()
	if active {
		if err := l.retainAfterLast(ctx); err != nil {
			return err
		}
		l.version.State, l.version.ActivatedAt = Active, now
	}
	l.op.State, l.op.EndedAt, l.op.Problem = Finished, now, ""
	change := Change{Version: &l.version, Operation: &l.op, Placements: l.placements(), Seal: l.sealHead(ctx)}
	head, err := l.apply(ctx, string(l.op.Kind)+".finished", nil, change, map[string]any{"state": l.version.State})
	if err != nil {
		l.op.State = Running
		return err
	}
	l.b.remember(ctx, l.setup, head)
	return nil
}

func (l *line) allActive() bool {
	for _, p := range l.places {
		if p.placement.Step != PlacementActive {
			return false
		}
	}
	return len(l.places) > 0
}

func (l *line) sealHead(ctx context.Context) func(Head) ([]byte, error) {
	return func(h Head) ([]byte, error) { return seal(ctx, l.setup, h.Record()) }
}

// remember lets the token keep the newest sealed head.
func (b *Broker) remember(ctx context.Context, setup TokenSetup, head Head) {
	for e, err := range b.o.Store.Entries(ctx, 0) {
		if err == nil {
			b.anchor(ctx, setup, e.Hash, head)
		}
		return
	}
}

// retainAfterLast: as long as the version waits at another target, its proof
// there may still need the token's copy.
func (l *line) retainAfterLast(ctx context.Context) error {
	view, err := l.b.o.Store.Key(ctx, l.key.Name)
	if err != nil {
		return fmt.Errorf("read key %s: %w", l.key.Name, err)
	}
	for _, p := range view.Placements {
		here := slices.ContainsFunc(l.places, func(q *place) bool { return q.target.Name == p.Target })
		if p.Number == l.version.Number && !here && p.Step != PlacementActive && p.Step != PlacementAbandoned {
			return nil
		}
	}
	return l.retain(ctx)
}

// retain does to the token's copy what the policy says, now that everything was
// proven. The version on record says sealed or none already, so a restart does it
// again.
func (l *line) retain(ctx context.Context) error {
	var change MaterialChange
	switch l.version.Retain {
	case RetainSealed:
		change = Seal
	case RetainNone:
		change = Destroy
	default:
		return nil
	}
	if err := l.keepChallenges(ctx); err != nil {
		return err
	}
	if err := l.setup.Token.Change(ctx, l.version.Material, change); err != nil {
		return fmt.Errorf("%s %s: %w", change, l.version.Material, err)
	}
	_, err := l.apply(ctx, "material."+string(change), nil, Change{}, map[string]any{"material": l.version.Material.ID})
	return err
}
