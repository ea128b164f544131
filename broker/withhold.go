package broker

import (
	"context"
	"errors"
	"fmt"
)

// given is what consumers are given at a place.
func (p *place) given(purpose Purpose) Given { return p.spec.Given[purpose] }

// withheld reports whether a placement is disabled because it waits for activation.
func (p *place) withheld(purpose Purpose) bool {
	return p.placement.Step == PlacementProven && p.given(purpose).Withheld()
}

// withhold disables a version that was proven, where consumers could use it without
// being given it, until it is activated.
func (l *line) withhold(ctx context.Context, p *place) error {
	given := p.given(l.key.Purpose)
	if p.placement.Step != PlacementProven || !given.Withheld() || given.Immediate(l.version.Number) {
		return nil
	}
	if err := l.turn(ctx, p, StepWithhold, Disable, RemoteDisabled); err != nil {
		return fmt.Errorf("withhold at target %s: %w", p.target.Name, err)
	}
	return nil
}

// enable is the first half of an activation, where the version was withheld.
func (l *line) enable(ctx context.Context, p *place) error {
	given := p.given(l.key.Purpose)
	if !given.Withheld() || given.Immediate(l.version.Number) {
		return nil
	}
	return l.turn(ctx, p, StepEnable, Enable, RemoteEnabled)
}

// turn disables or enables a version, once: the state it shall have, it is done;
// the other one, it is asked for; anything else is for a person.
func (l *line) turn(ctx context.Context, p *place, step Step, kind ActionKind, want RemoteState) error {
	rec, known, err := l.intend(ctx, p, step, Action{Kind: kind}, map[string]any{"version_ref": p.placement.Version})
	if err != nil {
		return err
	}
	if rec.Done() {
		seen, err := l.turned(ctx, p, want)
		p.asleep = asleep(seen, l.b.o.Now())
		return err
	}
	if known { // an earlier run may have asked for it, and the cloud may still be at it
		if err := l.wait(ctx, p.caps.Poll); err != nil {
			return err
		}
	}
	seen, receipt, err := l.switchTo(ctx, p, rec.Effect, kind, want)
	if err != nil {
		return err
	}
	p.placement.Remote, p.placement.SeenAt, p.asleep = want, l.b.o.Now(), asleep(seen, l.b.o.Now())
	return l.settle(ctx, p, rec, want, map[string]any{"state": want, "receipt": receipt})
}

// switchTo asks for a state until the version is seen in it.
func (l *line) switchTo(ctx context.Context, p *place, e Effect, kind ActionKind, want RemoteState) (seen Observation, receipt Receipt, err error) {
	for range attempts {
		if seen, err = l.turned(ctx, p, want); err != nil || seen.State == want {
			return seen, receipt, err
		}
		err = l.again(ctx, func(ctx context.Context) (err error) {
			receipt, err = p.target.Provider.Do(ctx, e, p.placement.Version, Action{Kind: kind})
			return err
		})
		if err != nil && !errors.Is(err, Unclear) && !errors.Is(err, Conflict) {
			return seen, receipt, err
		}
		err = eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
			seen, err = l.turned(ctx, p, want)
			return err != nil || seen.State == want, err
		})
		if err != nil {
			return seen, receipt, err
		}
	}
	if seen.State == want {
		return seen, receipt, nil
	}
	return seen, receipt, &Error{Kind: Unavailable, Op: string(kind), Object: p.placement.Version.Key.ID, Cause: fmt.Errorf("%d times asked for, and it is not %s", attempts, want)}
}

// turned is the version, whose state must be one of the two that it can be turned to.
func (l *line) turned(ctx context.Context, p *place, want RemoteState) (Observation, error) {
	v := p.placement.Version
	seen, err := l.look(ctx, p, Query{Version: &v})
	if err != nil {
		return Observation{}, err
	}
	if len(seen) == 1 && (seen[0].State == RemoteEnabled || seen[0].State == RemoteDisabled) {
		return seen[0], nil
	}
	state := RemoteDestroyed
	if len(seen) > 0 {
		state = seen[0].State
	}
	return Observation{}, &Error{
		Kind: Undecided, Op: "turn to " + string(want), Object: v.Key.ID, Cause: fmt.Errorf("the version is %s", state),
		Hint: "find out who changed it, and let it be enabled or disabled again", Seen: p.keySighted(v.Key, seen, "it is "+string(state)),
	}
}
