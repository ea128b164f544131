package broker

import (
	"context"
	"fmt"
)

// Renew imports the same material again with another end: also after the cloud's
// copy expired or was deleted.
func (b *Broker) Renew(ctx context.Context, req RenewRequest) (Result, error) {
	l, release, err := b.startExisting(ctx, existing{
		kind: OpRenew, name: req.Name, number: req.Number, target: req.Target, why: req.Why, params: Params{ValidTo: req.ValidTo},
	})
	if err != nil {
		return Result{}, err
	}
	defer release()
	if err := renewable(req.Name, l.version, l.placements()); err != nil {
		return Result{}, err
	}
	for _, p := range l.places {
		if err := checkValidTo(req.Name, p.caps, req.ValidTo, b.o.Now()); err != nil {
			return Result{}, err
		}
		if err := l.planAgain(ctx, p); err != nil {
			return Result{}, err
		}
	}
	if err := l.open(ctx, "renewal.begun", map[string]any{"valid_to": req.ValidTo}); err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

// renewable: what was never imported, failed its proof, or is gone from the token
// cannot be imported again. It is a pure decision.
func renewable(name string, version KeyVersion, placements []Placement) error {
	refuse := func(kind Kind, cause error, hint string) error {
		return &Error{Kind: kind, Op: "renew", Object: fmt.Sprintf("key %s version %d", name, version.Number), Cause: cause, Hint: hint}
	}
	switch {
	case version.State == Suspended || version.State == Compromised || version.State == Destroyed:
		return refuse(Conflict, fmt.Errorf("it is %s", version.State), "keyferry key show "+name)
	case version.Retain != RetainToken && version.State == Active:
		return refuse(Unsupported, errNoCopy, fmt.Sprintf("it was imported with retain: %s; import another key with retain: token", version.Retain))
	}
	for _, p := range placements {
		if p.Step == PlacementIntended || p.Step == PlacementFailed {
			return refuse(Conflict, fmt.Errorf("at target %s it is %s", p.Target, p.Step), "keyferry operation list --key "+name)
		}
	}
	return nil
}

// planAgain finds the plan by which the material crossed, or the best there is now.
func (l *line) planAgain(ctx context.Context, p *place) error {
	plans, err := l.setup.Token.Plans(ctx)
	if err != nil {
		return fmt.Errorf("probe token %s: %w", l.setup.Name, err)
	}
	p.plan, err = choose(l.key.Spec, p.caps, plans, l.policy)
	return err
}

// renewing is steps 5 to 8 with material that the target had before, and 10.
func (l *line) renewing(ctx context.Context) error {
	if err := l.materialThere(ctx); err != nil {
		return err
	}
	for _, p := range l.places {
		if err := l.renewAt(ctx, p); err != nil {
			return fmt.Errorf("renew at target %s: %w", p.target.Name, err)
		}
	}
	return l.finishRenewal(ctx)
}

func (l *line) materialThere(ctx context.Context) error {
	for _, err := range l.setup.Token.Objects(ctx, ObjectQuery{ID: l.version.Material.ID}) {
		return err
	}
	return &Error{
		Kind: NotFound, Op: "find", Object: l.version.Material.String(), Cause: errNoCopy,
		Hint: "restore the token from its backup; the material exists nowhere else",
	}
}

func (l *line) renewAt(ctx context.Context, p *place) error {
	if rec, ok := l.effects[l.effect(p, StepRenew).ID()]; ok && rec.Done() {
		return nil
	}
	v := p.placement.Version
	in := ImportIn{Key: v.Key, Kind: ImportExisting, Version: &v, Spec: l.key.Spec, ValidTo: l.op.Params.ValidTo}
	seen, err := l.look(ctx, p, Query{Version: &v})
	if err != nil {
		return err
	}
	if len(seen) == 1 && !seen[0].HasMaterial {
		in.Kind = ImportRestore
	}
	rec, done, err := l.send(ctx, p, StepRenew, in)
	if err != nil {
		return err
	}
	if done.Version.ID != v.ID {
		return &Error{
			Kind: Rejected, Op: "renew", Object: v.Key.ID,
			Cause: fmt.Errorf("the target answered with material %s, it was %s", done.Version.ID, v.ID),
			Hint:  "look at the key before anything else: it holds other material than the token",
		}
	}
	if err := l.proveRenewed(ctx, p); err != nil {
		return err
	}
	now := l.b.o.Now()
	p.placement.ValidTo, p.placement.Remote, p.placement.SeenAt = l.op.Params.ValidTo, RemoteEnabled, now
	p.placement.Proof.At = now
	return l.settle(ctx, p, rec, done, map[string]any{"version_ref": done.Version, "valid_to": l.op.Params.ValidTo, "receipt": done.Receipt})
}

// proveRenewed: to be accepted as existing material is the reimport proof itself;
// the other levels are asked anew.
func (l *line) proveRenewed(ctx context.Context, p *place) error {
	level, _ := l.proofLevel(p)
	if level == ProofReimport || level == ProofAccepted {
		return nil
	}
	_, evidence, err := l.challenge(ctx, p, p.placement.Version, level)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	_, err = l.apply(ctx, "proof.renewed", p, Change{}, with(evidence, "level", level))
	return err
}

func (l *line) finishRenewal(ctx context.Context) error {
	now := l.b.o.Now()
	l.op.State, l.op.EndedAt, l.op.Problem = Finished, now, ""
	head, err := l.apply(ctx, "renewal.finished", nil, Change{Operation: &l.op, Seal: l.sealHead(ctx)}, nil)
	if err != nil {
		l.op.State = Running
		return err
	}
	l.b.remember(ctx, l.setup, head)
	return nil
}
