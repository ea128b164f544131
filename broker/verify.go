package broker

import (
	"context"
	"errors"
	"fmt"
)

// Verify proves every placement of a key anew, read-only at the targets. What
// does not hold is in its row; an error means that it could not be asked.
func (b *Broker) Verify(ctx context.Context, req VerifyRequest) ([]Check, error) {
	view, err := b.o.Store.Key(ctx, req.Name)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", req.Name, err)
	}
	var checks []Check
	for _, v := range view.Versions {
		want := existing{kind: OpVerify, name: req.Name, number: v.Number, target: req.Target}
		if _, _, err := pick(view, want); errors.Is(err, NotFound) {
			continue
		}
		more, err := b.verifyVersion(ctx, want)
		if err != nil {
			return checks, err
		}
		checks = append(checks, more...)
	}
	if len(checks) == 0 {
		return nil, &Error{Kind: NotFound, Op: "verify", Object: "key " + req.Name, Cause: errors.New("it has no placement there"), Hint: "keyferry key show " + req.Name}
	}
	return checks, nil
}

func (b *Broker) verifyVersion(ctx context.Context, want existing) ([]Check, error) {
	l, release, err := b.startExisting(ctx, want)
	if err != nil {
		return nil, err
	}
	defer release()
	var checks []Check
	for _, p := range l.places {
		if p.placement.Step == PlacementIntended {
			continue // nothing is known to be there
		}
		c, err := l.verifyAt(ctx, p)
		if err != nil {
			return checks, fmt.Errorf("verify key %s at target %s: %w", want.name, p.target.Name, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// verifyAt looks at the placement and asks for its proof again. What turns out to
// be other material is unusable from then on.
func (l *line) verifyAt(ctx context.Context, p *place) (Check, error) {
	c := Check{Key: l.key.Name, Number: l.version.Number, Target: p.target.Name, Level: p.placement.Proof.Level, At: l.b.o.Now()}
	v := p.placement.Version
	seen, err := l.look(ctx, p, Query{Version: &v})
	if err != nil {
		return Check{}, err
	}
	c.State, c.Detail = l.observed(p, seen)
	p.placement.Remote, p.placement.SeenAt = c.State, c.At
	if c.Detail == "" {
		c.OK, c.Detail, err = l.proveAgain(ctx, p)
	}
	c.Placement = p.placement
	if errors.Is(err, Differs) {
		c.Detail = err.Error()
		failed := l.failProof(ctx, p, c.Level, err, nil)
		c.Placement = p.placement
		if KindOf(failed) != Differs {
			return Check{}, failed // it could not be put on record
		}
		return c, nil
	}
	if err != nil {
		return Check{}, err
	}
	if c.OK && c.Level != ProofAccepted {
		p.placement.Proof.At = c.At
	}
	c.Placement = p.placement
	_, err = l.apply(ctx, "placement.verified", p, Change{Placements: []Placement{p.placement}}, map[string]any{
		"ok": c.OK, "level": c.Level, "state": c.State, "detail": c.Detail,
	})
	return c, err
}

// observed is the remote state, and why no proof can be asked for in it.
func (l *line) observed(p *place, seen []Observation) (RemoteState, string) {
	if len(seen) == 0 {
		return RemoteDestroyed, "it is not there"
	}
	o := seen[0]
	switch {
	case o.State == RemotePending || !o.HasMaterial:
		return o.State, "its material expired or was deleted: keyferry renew " + l.key.Name
	case o.State != RemoteEnabled:
		return o.State, "it is " + string(o.State)
	case !p.endHolds(o):
		return o.State, fmt.Sprintf("valid-to is %s there, %s was set", end(o.ValidTo), end(p.placement.ValidTo))
	default:
		return o.State, ""
	}
}

func (l *line) proveAgain(ctx context.Context, p *place) (ok bool, detail string, err error) {
	proof := p.placement.Proof
	switch {
	case proof.Failed:
		return false, proof.Detail, nil
	case proof.Level == "":
		return false, "it was not proven yet: keyferry operation list --key " + l.key.Name, nil
	case p.placement.Step == PlacementActive:
		if err := l.leadsHere(ctx, p); errors.Is(err, Conflict) {
			return false, err.Error(), nil
		} else if err != nil {
			return false, "", err
		}
	}
	switch {
	case proof.Level == ProofAccepted:
		return true, "cannot be proven: " + proof.Detail, nil
	case l.version.Material.Ended == Destroy && (proof.Level == ProofMAC || proof.Level == ProofCipher):
		err = l.challengeKept(ctx, p)
	default:
		var answer Answer
		answer, _, err = l.challenge(ctx, p, p.placement.Version, proof.Level)
		detail = answer.Reason
	}
	if errors.Is(err, Unsupported) {
		return false, err.Error(), nil
	}
	return err == nil, detail, err
}
