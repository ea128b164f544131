package broker

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// importBegun is the event with which a key comes on record.
const importBegun = "import.begun"

// begin chooses a plan for every target and puts the operation on record. Before
// it, nothing has happened anywhere.
func (b *Broker) begin(ctx context.Context, w want, lease Lease, part leg) (*line, error) {
	if err := w.checkTimes(b.o.Now()); err != nil {
		return nil, err
	}
	l, err := b.newLine(w, lease)
	if err != nil {
		return nil, err
	}
	l.leg = part
	for _, t := range w.targets {
		p := l.newPlace(t, Placement{
			KeyID: l.key.ID, Number: l.version.Number, Target: t.Name, Step: PlacementIntended,
			Consumer: t.consumerOf(w.name), ValidTo: w.endAt(t), Terms: w.terms(t),
		})
		if err := l.plan(ctx, p); err != nil {
			return nil, err
		}
		p.placement.Transport = Transport{Mechanism: p.plan.Mechanism, Way: p.plan.Way}
		l.places = append(l.places, p)
	}
	if w.retain == RetainWrapped {
		if err := keepable(ctx, l.setup, w.spec); err != nil {
			return nil, err
		}
	}
	if err := l.offered(ctx); err != nil {
		return nil, err
	}
	release, err := l.namesAreFree(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	_, err = l.apply(ctx, importBegun, nil, Change{
		NewKey: &l.key, NewVersion: &l.version, NewOperation: &l.op, Placements: l.placements(),
	}, map[string]any{
		"spec": l.key.Spec, "purpose": l.key.Purpose, "policy": l.key.Policy, "retain": l.version.Retain,
		"targets": l.op.Targets, "valid_to": end(l.op.Params.ValidTo),
	})
	return l, err
}

// plan finds the way to wrap for a place, where it has none yet: by the mechanism
// that an import was begun with, or the best there is now.
func (l *line) plan(ctx context.Context, p *place) error {
	if p.plan.Mechanism != "" {
		return nil
	}
	plans, err := l.setup.Token.Plans(ctx)
	if err != nil {
		return fmt.Errorf("probe token %s: %w", l.setup.Name, err)
	}
	policy, err := l.b.policy(l.key.Policy)
	if err != nil {
		return err
	}
	policy.WrapWithTrusted = l.trusted() // as it was begun, or born
	if m := p.placement.Transport.Mechanism; m != "" && l.op.Kind == OpImport {
		policy.Mechanisms = []Mechanism{m}
	}
	p.plan, err = choose(l.key.Spec, p.caps, plans, policy)
	return err
}

func (b *Broker) newLine(w want, lease Lease) (*line, error) {
	setup, err := b.token()
	if err != nil {
		return nil, err
	}
	now := b.o.Now().UTC()
	key := Key{
		ID: newID(16), Name: w.name, Spec: w.spec, Purpose: w.purpose, Policy: w.req.Policy,
		Environment: setup.Environment, Owner: w.owner, Tags: maps.Clone(w.tags), CreatedAt: now,
	}
	return &line{
		b: b, setup: setup, key: key, lease: lease, effects: map[string]EffectRecord{},
		version: KeyVersion{
			KeyID: key.ID, Number: 1, State: PreActivation, Retain: w.retain, Provenance: w.provenance(), CreatedAt: now,
		},
		op: Operation{
			ID: newOperationID(now), Kind: OpImport, State: Running, KeyID: key.ID, KeyName: key.Name, Number: 1,
			Targets: targetNames(w.targets), Actor: b.o.Actor, Reason: w.req.Reason, Ticket: w.req.Ticket, StartedAt: now,
			Params: Params{ValidTo: w.validTo, ActivateAt: w.req.ActivateAt.UTC().Truncate(time.Second), NoActivate: w.req.NoActivate || w.policy.NoActivate, Object: w.req.Object, Trusted: w.policy.WrapWithTrusted},
		},
	}, nil
}

func (w want) provenance() string {
	if w.req.Object != "" {
		return Adopted
	}
	return Generated
}

// terms of a placement at a target.
func (w want) terms(t Target) Terms {
	caps := t.Provider.Capabilities()
	terms := Terms{
		Algorithm: w.policy.Algorithms[caps.Provider], Window: first(w.policy.Window, t.Window), ValidFrom: w.from,
		Withheld: caps.Specs[w.spec].Given[w.purpose].Withheld(),
	}
	if caps.NamesKeys {
		terms.Name = t.nameOf(w.name)
	}
	return terms
}
