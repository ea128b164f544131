package broker

import (
	"context"
	"errors"
	"fmt"
)

// Verify proves every placement of a key anew, read-only at the targets. What does not
// hold, or cannot be asked, is in its row; an error is one of the token or of records.
func (b *Broker) Verify(ctx context.Context, req VerifyRequest) ([]Check, error) {
	view, err := b.o.Store.Key(ctx, req.Name)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", req.Name, err)
	}
	goesBack, err := b.goingBack(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	var checks []Check
	for _, v := range view.Versions {
		want := existing{kind: OpVerify, name: req.Name, number: v.Number, target: req.Target, each: true, all: goesBack[v.Number]}
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
		return nil, &Error{Kind: NotFound, Op: "verify", Object: "key " + req.Name, Cause: fmt.Errorf("it has no placement %s", first(at(req.Target), "any more")), Hint: "keyferry key show " + req.Name}
	}
	return checks, nil
}

func at(target string) string {
	if target == "" {
		return ""
	}
	return "at target " + target
}

// goingBack are the numbers of the versions of which some was taken back, and not all.
func (b *Broker) goingBack(ctx context.Context, name string) (map[int]bool, error) {
	numbers := map[int]bool{}
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: name}) {
		if err != nil {
			return nil, fmt.Errorf("read operations of key %s: %w", name, err)
		}
		if op.Standing() == Aborting {
			numbers[op.Operation.Number] = true
		}
	}
	return numbers, nil
}

func (b *Broker) verifyVersion(ctx context.Context, want existing) ([]Check, error) {
	l, release, err := b.startExisting(ctx, want)
	if err != nil {
		return nil, err
	}
	defer release()
	defer l.closeCopy(ctx)
	var checks []Check
	for _, p := range l.places {
		c, err := l.checkAt(ctx, p)
		if err != nil {
			return checks, fmt.Errorf("verify key %s at target %s: %w", want.name, p.target.Name, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// checkAt gives every placement its row: a target that cannot be asked says why, and
// the others are asked all the same. An error is one of the token, of the records, or
// of an answer that comes from somebody else.
func (l *line) checkAt(ctx context.Context, p *place) (Check, error) {
	switch p.placement.Step {
	case PlacementIntended:
		return l.unasked(p, "its import did not finish: keyferry operation list --key "+l.key.Name), nil
	case PlacementAbandoned:
		return l.unasked(p, "it was taken back, and others are not yet: keyferry operation list --unfinished"), nil
	default:
	}
	t, err := l.b.target(p.target.Name)
	if err == nil {
		err = l.b.trust(ctx, []Target{t})
	}
	if errors.Is(err, NotFound) && !ofTarget(err) { // not in the config, or not enrolled
		return l.unasked(p, said(err)), nil
	}
	var c Check
	if err == nil {
		p.enrolled = l.b.enrolled(t.Name)
		c, err = l.verifyAt(ctx, p)
	}
	if ofTarget(err) && ctx.Err() == nil {
		return l.unasked(p, "it could not be asked: "+said(err)), nil
	}
	return c, err
}

// unasked is the row of a placement of which nothing new is known.
func (l *line) unasked(p *place, why string) Check {
	return Check{
		Key: l.key.Name, Number: l.version.Number, Target: p.target.Name, Level: p.placement.Proof.Level, At: l.b.o.Now(),
		Detail: printable(why), Placement: p.placement,
	}
}

// said is an error with what to do about it, in one line.
func said(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err.Error()
	}
	if hint := first(e.Hint, remedy(e)); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
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
	if len(seen) == 0 && c.At.Sub(p.placement.ImportedAt) < p.caps.Settle { // what is new may not be seen yet
		if seen, err = l.lookSettled(ctx, p, Query{Version: &v}); err != nil {
			return Check{}, err
		}
	}
	c.State, c.Detail = l.observed(p, seen)
	if len(seen) > 0 {
		p.asleep = asleep(seen[0], c.At)
	}
	p.placement.Remote, p.placement.SeenAt = c.State, c.At
	var evidence map[string]any
	switch {
	case c.Detail == "":
		evidence, err = l.proveAgain(ctx, p, &c)
	case c.State == RemoteDisabled && c.Level == ProofPublicKey && !p.placement.Proof.Failed:
		evidence, err = l.proveAsleep(ctx, p, &c)
	}
	if errors.Is(err, Differs) {
		c.Detail = err.Error()
		failed := l.failProof(ctx, p, c.Level, err, evidence)
		c.Placement = p.placement
		if KindOf(failed) != Differs {
			return Check{}, failed // it could not be put on record
		}
		return c, nil
	}
	if err != nil {
		return Check{}, err
	}
	if c.OK && c.Detail == "" { // at the strength on record: a weaker answer says why it is
		p.placement.Proof.At = c.At
	}
	c.Placement = p.placement
	for name, value := range map[string]any{"ok": c.OK, "level": c.Level, "state": c.State, "detail": c.Detail} {
		evidence = with(evidence, name, value)
	}
	_, err = l.apply(ctx, "placement.verified", p, Change{Placements: []Placement{p.placement}}, evidence)
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
	case o.State == RemoteDisabled && p.withheld(l.key.Purpose):
		return o.State, ""
	case o.State == RemoteEnabled && p.withheld(l.key.Purpose):
		return o.State, "it is enabled, and was to be disabled until its activation"
	case o.State != RemoteEnabled:
		return o.State, "it is " + string(o.State)
	case !p.endHolds(o):
		return o.State, fmt.Sprintf("valid-to is %s there, %s was set", end(o.ValidTo), end(p.placement.ValidTo))
	default:
		return o.State, ""
	}
}

// proveAgain says in the check whether the placement is as it was proven. Its
// error is Differs for other material.
func (l *line) proveAgain(ctx context.Context, p *place, c *Check) (evidence map[string]any, err error) {
	proof := p.placement.Proof
	if c.Detail, err = l.unproven(ctx, p); c.Detail != "" || err != nil {
		return nil, err
	}
	switch {
	case proof.Level == ProofAccepted:
		c.Detail = "cannot be proven: " + proof.Detail
	case c.State == RemoteDisabled && proof.Level != ProofPublicKey:
		c.Detail = "cannot be repeated while it is disabled, until its activation"
	case l.version.Material.Ended == Destroy && (proof.Level == ProofMAC || proof.Level == ProofCipher):
		err = l.challengeKept(ctx, p)
	default:
		var answer Answer
		answer, evidence, err = l.challenge(ctx, p, p.placement.Version, proof.Level)
		c.Detail = first(p.weaker(proof.Level), answer.Reason)
	}
	if p.asleep != "" && p.withheld(l.key.Purpose) && (errors.Is(err, Conflict) || errors.Is(err, Unsupported)) {
		c.Detail, err = "cannot be repeated: "+p.asleep+" until its activation, and the target shows nothing of it meanwhile", nil
	}
	c.OK = err == nil
	if errors.Is(err, Unsupported) {
		c.Detail, err = err.Error(), nil
	}
	return evidence, err
}

// proveAsleep compares what a version shows that was disabled by somebody: its public
// key, where the target shows that. It does not hold for it.
func (l *line) proveAsleep(ctx context.Context, p *place, c *Check) (evidence map[string]any, err error) {
	_, evidence, err = l.challenge(ctx, p, p.placement.Version, c.Level)
	switch {
	case err == nil:
		c.Detail += "; the public key alone was compared: it is the token's"
	case errors.Is(err, Conflict), errors.Is(err, Unsupported):
		c.Detail, err = c.Detail+"; the target shows nothing of it meanwhile", nil
	}
	return evidence, err
}

// unproven says why nothing needs to be asked: it was never proven, or it failed,
// or consumers get something else.
func (l *line) unproven(ctx context.Context, p *place) (why string, err error) {
	proof := p.placement.Proof
	switch {
	case proof.Failed:
		return proof.Detail, nil
	case proof.Level == "":
		return "it was not proven yet: keyferry operation list --key " + l.key.Name, nil
	case p.placement.Step != PlacementActive:
		return "", nil
	}
	err = l.leadsHere(ctx, p)
	if errors.Is(err, Conflict) {
		return err.Error(), nil
	}
	return "", err
}
