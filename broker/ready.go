package broker

import (
	"context"
	"fmt"
)

// ready is an import with everything done but the sending.
type ready struct {
	rec     EffectRecord
	wrapped wrappedMaterial
}

// makeReady does all of an import that can fail before consumers are given anything
// anywhere: the wrapping key is fetched and checked, and the material wrapped under
// it. What is ready is in this process alone; a restart makes it anew.
func (l *line) makeReady(ctx context.Context, p *place) error {
	if p.placement.Step != PlacementIntended {
		return nil
	}
	if err := l.prepare(ctx, p); err != nil {
		return err
	}
	if _, sent := l.effects[l.effect(p, StepImport).ID()]; sent {
		return nil // an earlier run may have sent it: that is looked at first
	}
	if err := l.plan(ctx, p); err != nil {
		return err
	}
	in, err := l.importIn(p)
	if err != nil {
		return err
	}
	if err := l.keyStands(ctx, p, in); err != nil {
		return err
	}
	rec, wrapped, err := l.wrapped(ctx, p, StepImport, in)
	if err != nil {
		return fmt.Errorf("make ready at target %s: %w", p.target.Name, err)
	}
	p.ready = &ready{rec, wrapped}
	return nil
}

// takeReady is what was made ready, once; else what is wrapped now.
func (l *line) takeReady(ctx context.Context, p *place, step Step, in ImportIn) (EffectRecord, wrappedMaterial, error) {
	if r := p.ready; r != nil && step == StepImport {
		p.ready = nil
		return r.rec, r.wrapped, nil
	}
	return l.wrapped(ctx, p, step, in)
}
