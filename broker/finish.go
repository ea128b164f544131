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
	for _, p := range l.places {
		if p.placement.Step != PlacementProven && p.placement.Step != PlacementActive {
			return l.unusable(fmt.Errorf("at target %s it is %s, not proven", p.target.Name, p.placement.Step))
		}
	}
	if l.allActive() {
		if err := l.retainAfterLast(ctx); err != nil {
			return err
		}
	}
	version, op := l.version, l.ended(Finished)
	if l.allActive() {
		version.State = Active
		version.ActivatedAt = first(version.ActivatedAt, op.EndedAt)
	}
	change := Change{Version: &version, Operation: &op, Placements: l.placements()}
	head, err := l.apply(ctx, string(op.Kind)+".finished", nil, change, map[string]any{"state": version.State})
	if err != nil {
		return err
	}
	l.version, l.op = version, op
	if !l.leg.many {
		l.b.remember(ctx, l.setup, head)
	}
	return nil
}

// ended is the operation as it will be on record when it has ended.
func (l *line) ended(state OperationState) Operation {
	op := l.op
	op.State, op.EndedAt, op.Problem = state, l.b.o.Now(), ""
	return op
}

func (l *line) allActive() bool {
	for _, p := range l.places {
		if p.placement.Step != PlacementActive {
			return false
		}
	}
	return len(l.places) > 0
}

// retainAfterLast does to the token's copy what the policy says, now that
// everything was proven; as long as the version waits at another target, its proof
// there may still need the copy.
func (l *line) retainAfterLast(ctx context.Context) error {
	change, ok := map[Retain]MaterialChange{RetainSealed: Seal, RetainNone: Destroy}[l.version.Retain]
	if !ok || l.version.Material.Ended != "" {
		return nil
	}
	others, err := l.elsewhere(ctx)
	if err != nil {
		return err
	}
	for _, p := range others {
		if p.placement.Step != PlacementActive {
			return nil
		}
	}
	return l.retain(ctx, change, others)
}

// elsewhere are the version's other places.
func (l *line) elsewhere(ctx context.Context) ([]*place, error) {
	view, err := l.b.o.Store.Key(ctx, l.key.Name)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", l.key.Name, err)
	}
	if err := l.b.witnessKey(ctx, view); err != nil {
		return nil, err
	}
	var others []*place
	for _, p := range view.Placements {
		here := slices.ContainsFunc(l.places, func(q *place) bool { return q.target.Name == p.Target })
		if p.Number != l.version.Number || here || p.Step == PlacementAbandoned {
			continue
		}
		t, err := l.b.target(p.Target)
		if err != nil {
			return nil, err
		}
		others = append(others, l.newPlace(t, p))
	}
	return others, nil
}

// retain seals or destroys. The record says so afterwards; killed in between, it
// is done once more, which changes nothing.
func (l *line) retain(ctx context.Context, change MaterialChange, others []*place) error {
	if err := l.keepChallenges(ctx, append(slices.Clone(l.places), others...)); err != nil {
		return err
	}
	if err := l.setup.Token.Change(ctx, l.version.Material, change); err != nil {
		return fmt.Errorf("%s %s: %w", change, l.version.Material, err)
	}
	l.version.Material.Ended = change
	_, err := l.apply(ctx, "material."+string(change), nil, Change{Version: &l.version}, map[string]any{"material": l.version.Material.ID})
	return err
}
