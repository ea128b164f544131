package broker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hideLimit bounds what is done for a version after its line has failed, or was
// interrupted.
const hideLimit = 30 * time.Second

// hidable reports whether a version that waits could be used by consumers who were
// not given it.
func (l *line) hidable(p *place) bool {
	given := p.given(l.key.Purpose)
	return given.Withheld() && !given.Immediate(l.version.Number)
}

// hide disables a version whose proof failed or could not be made, where consumers
// could use it without being given it. It returns the error it was given, with what
// went wrong besides.
func (l *line) hide(ctx context.Context, p *place, cause error) error {
	if cause == nil || !l.hidable(p) || p.placement.Step != PlacementStaged && p.placement.Step != PlacementFailed {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hideLimit)
	defer cancel()
	if err := l.hidden(ctx, p); err != nil {
		return errors.Join(cause, fmt.Errorf("disable what is not proven at target %s: %w", p.target.Name, err))
	}
	return cause
}

// hidden intends it before it does it: what a restart finds disabled, and intended, is
// of our own doing.
func (l *line) hidden(ctx context.Context, p *place) error {
	usable, err := l.usableNow(ctx, p)
	if err != nil || !usable {
		return err
	}
	if _, _, err := l.intend(ctx, p, StepWithhold, Action{Kind: Disable}, map[string]any{"version_ref": p.placement.Version}); err != nil {
		return err
	}
	return l.switched(ctx, p, StepWithhold, Disable, RemoteDisabled)
}

func (l *line) usableNow(ctx context.Context, p *place) (bool, error) {
	v := p.placement.Version
	seen, err := l.look(ctx, p, Query{Version: &v})
	return len(seen) == 1 && seen[0].State == RemoteEnabled, err
}

// shown enables for its proof what an earlier run disabled, or meant to.
func (l *line) shown(ctx context.Context, p *place) error {
	if _, hidden := l.effects[l.effect(p, StepWithhold).ID()]; !hidden {
		return nil
	}
	if err := l.switched(ctx, p, StepEnable, Enable, RemoteEnabled); err != nil {
		return fmt.Errorf("enable for its proof at target %s: %w", p.target.Name, err)
	}
	return nil
}

// switched turns a version outside of an activation, as often as it takes, and puts
// the state on record.
func (l *line) switched(ctx context.Context, p *place, step Step, kind ActionKind, want RemoteState) error {
	_, receipt, err := l.switchTo(ctx, p, l.effect(p, step), kind, want)
	if err != nil {
		return err
	}
	p.placement.Remote, p.placement.SeenAt = want, l.b.o.Now()
	_, err = l.apply(ctx, "version."+string(want), p, Change{Placements: []Placement{p.placement}}, map[string]any{
		"version_ref": p.placement.Version, "receipt": receipt,
	})
	return err
}
