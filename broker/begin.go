package broker

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

// importBegun is the event with which a key comes on record.
const importBegun = "import.begun"

// begin chooses a plan for every target and puts the operation on record. Before
// it, nothing has happened anywhere.
func (b *Broker) begin(ctx context.Context, w want, lease Lease) (*line, error) {
	if err := w.checkTimes(b.o.Now()); err != nil {
		return nil, err
	}
	l, err := b.newLine(w, lease)
	if err != nil {
		return nil, err
	}
	for _, t := range w.targets {
		p := l.newPlace(t, Placement{
			KeyID: l.key.ID, Number: l.version.Number, Target: t.Name, Step: PlacementIntended,
			Consumer: t.consumerOf(w.name), ValidTo: w.validTo, Terms: w.terms(t),
		})
		if err := l.plan(ctx, p); err != nil {
			return nil, err
		}
		p.placement.Transport = Transport{Mechanism: p.plan.Mechanism, Way: p.plan.Way}
		if err := l.nameIsFree(ctx, p); err != nil {
			return nil, err
		}
		l.places = append(l.places, p)
	}
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
			Params: Params{ValidTo: w.validTo, ActivateAt: w.req.ActivateAt.UTC().Truncate(time.Second), NoActivate: w.req.NoActivate || w.policy.NoActivate, Object: w.req.Object},
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
	terms := Terms{Algorithm: w.policy.Algorithms[caps.Provider], Window: first(w.policy.Window, t.Window), ValidFrom: w.from}
	if caps.NamesKeys {
		terms.Name = t.nameOf(w.name)
	}
	return terms
}

// nameIsFree refuses to begin where the name that the key or its consumers will use
// already leads somewhere: an import never takes it from another key.
func (l *line) nameIsFree(ctx context.Context, p *place) error {
	name, query := p.placement.Consumer, Query{Consumer: p.placement.Consumer}
	if p.caps.NamesKeys {
		name, query = p.placement.Terms.Name, Query{Name: p.placement.Terms.Name}
	}
	if name == "" {
		return nil
	}
	if err := l.nameOnRecord(ctx, p); err != nil {
		return err
	}
	held, err := l.look(ctx, p, query)
	if err != nil || len(held) == 0 {
		return err
	}
	taken := &Error{
		Kind: Conflict, Op: "import", Object: "key " + l.key.Name,
		Cause: fmt.Errorf("%s already leads to %s at target %s", name, held[0].Version.Key.ID, p.target.Name),
		Hint:  "import under another name, or remove that name at the target first",
	}
	if held[0].State == RemoteScheduled && p.caps.NamesKeys {
		taken.Cause = fmt.Errorf("%s is the name of a deleted key at target %s, and not free before %s", name, p.target.Name, end(held[0].DeletionAt))
		taken.Hint = "recover that key, purge it where the target allows it, or import under another name"
	}
	return taken
}

// nameOnRecord refuses a name that another key of ours has at the target, or is about
// to have: not every provider tells upper from lower case.
func (l *line) nameOnRecord(ctx context.Context, p *place) error {
	if !p.caps.NamesKeys {
		return nil
	}
	for view, err := range l.b.o.Store.Keys(ctx, KeyFilter{Target: p.target.Name}) {
		if err != nil {
			return fmt.Errorf("read keys at target %s: %w", p.target.Name, err)
		}
		for _, q := range view.Placements {
			taken := q.Target == p.target.Name && q.Step != PlacementAbandoned
			if taken && strings.EqualFold(q.Terms.Name, p.placement.Terms.Name) {
				return &Error{
					Kind: Conflict, Op: "import", Object: "key " + l.key.Name,
					Cause: fmt.Errorf("key %s has the name %s at target %s already", view.Key.Name, q.Terms.Name, p.target.Name),
					Hint:  "import under another name",
				}
			}
		}
	}
	return nil
}
