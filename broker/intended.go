package broker

import (
	"context"
	"fmt"
)

// PlanImport says what Import would do, and touches nothing: it reads the store
// and the token's probed plans, and sends nothing to a target.
func (b *Broker) PlanImport(ctx context.Context, req ImportRequest) (Intended, error) {
	w, err := b.resolve(req)
	if err != nil {
		return Intended{}, err
	}
	if err := b.trustRecords(ctx, w.targets); err != nil {
		return Intended{}, err
	}
	setup, err := b.token()
	if err != nil {
		return Intended{}, err
	}
	_, op, err := b.findImport(ctx, w)
	if err != nil {
		return Intended{}, err
	}
	out := Intended{Key: w.name, Number: 1, Spec: w.spec, Purpose: w.purpose, Retain: w.retain, Tags: w.tags, Object: w.req.Object}
	switch {
	case op.Operation.State == Finished:
		out.Done = true
	case op.Operation.ID != "":
		out.Resumes = op.Operation.ID
	default:
		if err := w.checkTimes(b.o.Now()); err != nil {
			return Intended{}, err
		}
	}
	if w.retain == RetainWrapped && op.Operation.ID == "" {
		if err := keepable(ctx, setup, w.spec); err != nil {
			return Intended{}, err
		}
	}
	if w.req.Object != "" && op.Operation.ID == "" {
		if _, err := b.adoptable(ctx, setup, GenerateIn{ID: w.req.Object, Spec: w.spec, Usage: Usage{Trusted: w.policy.WrapWithTrusted}, MayExist: true}); err != nil {
			return Intended{}, err
		}
	}
	plans, err := setup.Token.Plans(ctx)
	if err != nil {
		return Intended{}, fmt.Errorf("probe token %s: %w", setup.Name, err)
	}
	for _, t := range w.targets {
		row, err := b.intendedAt(t, w, plans)
		if err != nil {
			return Intended{}, err
		}
		out.Targets = append(out.Targets, row)
	}
	return out, nil
}

func (b *Broker) intendedAt(t Target, w want, plans []Plan) (IntendedTarget, error) {
	caps := t.Provider.Capabilities()
	plan, err := choose(w.spec, caps, plans, w.policy)
	if err != nil {
		return IntendedTarget{}, err
	}
	level, _ := levelAt(t, caps, b.enrolled(t.Name), Key{Spec: w.spec, Purpose: w.purpose})
	out := IntendedTarget{
		Target: t.Name, Environment: t.Environment, Account: t.Pins[PinAccount], Place: t.Place,
		Mechanism: plan.Mechanism, Way: plan.Way, Proof: level, Consumer: t.consumerOf(w.name), ValidTo: w.endAt(t), Note: w.endless(t),
	}
	if caps.NamesKeys {
		out.KeyName = t.nameOf(w.name)
	}
	return out, nil
}

// PlanActivate says what Activate would do, and touches nothing.
func (b *Broker) PlanActivate(ctx context.Context, req ActivateRequest) (Intended, error) {
	out, version, placements, err := b.planExisting(ctx, existing{kind: OpActivate, name: req.Name, number: req.Number, target: req.Target})
	if err != nil {
		return Intended{}, err
	}
	out.Done = version.State == Active
	for _, p := range placements {
		if p.Step == PlacementActive {
			continue
		}
		out.Done = false
		if err := activatable(version, p, req.Name); err != nil {
			return Intended{}, err
		}
	}
	return out, nil
}

// PlanRenew says what Renew would do, and touches nothing.
func (b *Broker) PlanRenew(ctx context.Context, req RenewRequest) (Intended, error) {
	out, version, placements, err := b.planExisting(ctx, existing{kind: OpRenew, name: req.Name, number: req.Number, target: req.Target})
	if err != nil {
		return Intended{}, err
	}
	needsCopy := false
	for i := range out.Targets {
		t, err := b.target(out.Targets[i].Target)
		if err != nil {
			return Intended{}, err
		}
		needsCopy = needsCopy || !t.Provider.Capabilities().ValidTo.Moves
		if err := endFits(req.Name, t, placements[i], req.params(), b.o.Now()); err != nil {
			return Intended{}, err
		}
		out.Targets[i].ValidTo = req.params().endOf(placements[i])
	}
	return out, renewable(req.Name, version, placements, needsCopy)
}

// planExisting describes an operation on a version that is there from the store
// and the config alone.
func (b *Broker) planExisting(ctx context.Context, want existing) (Intended, KeyVersion, []Placement, error) {
	view, err := b.o.Store.Key(ctx, want.name)
	if err != nil {
		return Intended{}, KeyVersion{}, nil, fmt.Errorf("read key %s: %w", want.name, err)
	}
	version, placements, err := pick(view, want)
	if err != nil {
		return Intended{}, KeyVersion{}, nil, err
	}
	out := Intended{
		Key: view.Key.Name, Number: version.Number, Spec: view.Key.Spec, Purpose: view.Key.Purpose, Retain: version.Retain, Tags: view.Key.Tags,
	}
	for _, p := range placements {
		t, err := b.target(p.Target)
		if err != nil {
			return Intended{}, KeyVersion{}, nil, err
		}
		out.Targets = append(out.Targets, IntendedTarget{
			Target: t.Name, Environment: t.Environment, Account: t.Pins[PinAccount], Place: t.Place,
			Mechanism: p.Transport.Mechanism, Way: p.Transport.Way, Proof: p.Proof.Level, Consumer: p.Consumer, ValidTo: p.ValidTo,
		})
	}
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: want.name}) {
		if err != nil {
			return Intended{}, KeyVersion{}, nil, fmt.Errorf("read operations of key %s: %w", want.name, err)
		}
		if op.Operation.State.Open() {
			out.Resumes = op.Operation.ID
		}
	}
	return out, version, placements, nil
}
