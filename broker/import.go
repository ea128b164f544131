package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Import makes version 1 of a key exist at its targets. Finished already, it says
// so; unfinished, it goes on; with another spec, purpose or policy it is a
// Conflict and nothing happened. Its other errors say what stays behind.
func (b *Broker) Import(ctx context.Context, req ImportRequest) (Result, error) {
	w, err := b.resolve(req)
	if err != nil {
		return Result{}, err
	}
	if err := b.trust(ctx, w.targets); err != nil {
		return Result{}, err
	}
	lease, release, err := b.takeLease(ctx, w.name)
	if err != nil {
		return Result{}, err
	}
	defer release()
	l, err := b.findImport(ctx, w, lease) // is it there already?
	switch {
	case err != nil:
		return Result{}, err
	case l == nil:
		l, err = b.begin(ctx, w, lease) //                 1 choose, 2 begin
	case l.op.State == Finished:
		return l.view(ctx, true)
	}
	if err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

// run takes a line from wherever it stands to its end.
func (l *line) run(ctx context.Context) (Result, error) {
	steps := l.importing
	switch l.op.Kind {
	case OpRenew:
		steps = l.renewing
	case OpActivate:
		steps = l.activating
	}
	if err := steps(ctx); err != nil {
		return Result{}, l.stop(ctx, err)
	}
	return l.view(ctx, false)
}

// importing is steps 3 to 10 of an import.
func (l *line) importing(ctx context.Context) error {
	if err := l.generate(ctx); err != nil { //        3 generate
		return err
	}
	for _, p := range l.places {
		if err := l.prepare(ctx, p); err != nil { //    4 prepare
			return err
		}
		if err := l.transfer(ctx, p); err != nil { //   5 fetch, 6 wrap, 7 import
			return err
		}
		if err := l.prove(ctx, p); err != nil { //      8 prove
			return err
		}
	}
	for _, p := range l.places {
		if err := l.activate(ctx, p); err != nil { //   9 activate, prove once more
			return err
		}
	}
	return l.finish(ctx) //                          10 finish
}

// findImport finds the import of version 1 of the key at the targets: finished,
// unfinished, or none (nil).
func (b *Broker) findImport(ctx context.Context, w want, lease Lease) (*line, error) {
	view, err := b.o.Store.Key(ctx, w.name)
	if errors.Is(err, NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", w.name, err)
	}
	if why := w.differs(view.Key); why != "" {
		return nil, &Error{
			Kind: Conflict, Op: "import", Object: "key " + w.name, Cause: errors.New(why),
			Hint: "a key's spec, purpose and policy never change: import under another name",
		}
	}
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: w.name}) {
		if err != nil {
			return nil, fmt.Errorf("read operations of key %s: %w", w.name, err)
		}
		if op.Operation.Kind != OpImport || op.Operation.State == Abandoned {
			continue
		}
		if missing := without(targetNames(w.targets), op.Operation.Targets); len(missing) > 0 {
			return nil, &Error{
				Kind: Conflict, Op: "import", Object: "key " + w.name,
				Cause: fmt.Errorf("it was imported at %s, not at %s, by operation %s", listed(op.Operation.Targets), listed(missing), op.Operation.ID),
				Hint:  "import under another name, or at the targets it has",
			}
		}
		if err := w.sameImport(view, op.Operation); err != nil {
			return nil, err
		}
		return b.reopen(ctx, view, op, lease)
	}
	return nil, b.abandonedName(w.name)
}

// abandonedName: numbers are never used again, so a key whose only import was
// taken back keeps its name to itself.
func (b *Broker) abandonedName(name string) error {
	return &Error{
		Kind: Conflict, Op: "import", Object: "key " + name,
		Cause: errors.New("its import was taken back, and a version number is never used twice"),
		Hint:  "import under another name",
	}
}

// reopen puts a line back together from what is on record.
func (b *Broker) reopen(ctx context.Context, view KeyView, op OperationView, lease Lease) (*line, error) {
	if op.Operation.State == UndecidedState {
		return nil, &Error{
			Kind: Undecided, Op: "import", Object: "key " + view.Key.Name, Cause: errors.New(op.Operation.Problem),
			Hint: fmt.Sprintf("look at what was found, then keyferry operation resume %s or keyferry operation abort %s --reason …", op.Operation.ID, op.Operation.ID),
		}
	}
	return b.rebuild(ctx, view, op, lease)
}

func (b *Broker) rebuild(ctx context.Context, view KeyView, op OperationView, lease Lease) (*line, error) {
	setup, err := b.token()
	if err != nil {
		return nil, err
	}
	version, ok := view.Version(op.Operation.Number)
	if !ok {
		return nil, fmt.Errorf("rebuild operation %s: version %d is not in the store: %w", op.Operation.ID, op.Operation.Number, Tampered)
	}
	policy, err := b.policy(view.Key.Policy)
	if err != nil {
		return nil, err
	}
	l := &line{
		b: b, setup: setup, policy: policy, op: op.Operation, key: view.Key, version: version,
		effects: map[string]EffectRecord{}, resumed: true, lease: lease,
	}
	for _, r := range op.Effects {
		l.effects[r.Effect.ID()] = r
	}
	if l.op.State == Finished {
		return l, nil
	}
	for _, name := range op.Operation.Targets {
		placement, _ := view.Placement(version.Number, name)
		if err := l.addPlace(ctx, name, placement); err != nil {
			return nil, err
		}
	}
	l.op.State, l.op.Problem = Running, ""
	return l, nil
}

// addPlace finds the target and, unless all is imported, a plan of the mechanism
// that the operation was begun with.
func (l *line) addPlace(ctx context.Context, name string, placement Placement) error {
	t, err := l.b.target(name)
	if err != nil {
		return err
	}
	p := l.newPlace(t, placement)
	l.places = append(l.places, p)
	plans, err := l.setup.Token.Plans(ctx)
	if err != nil {
		return fmt.Errorf("probe token %s: %w", l.setup.Name, err)
	}
	policy := l.policy
	if m := placement.Transport.Mechanism; m != "" {
		policy.Mechanisms = []Mechanism{m}
	}
	p.plan, err = choose(l.key.Spec, p.caps, plans, policy)
	return err
}

func (l *line) newPlace(t Target, placement Placement) *place {
	caps := t.Provider.Capabilities()
	l.b.known.mu.Lock()
	defer l.b.known.mu.Unlock()
	return &place{target: t, caps: caps, spec: caps.Specs[l.key.Spec], placement: placement, enrolled: l.b.known.targets[t.Name]}
}

// without returns the words that are not in others.
func without(words, others []string) []string {
	have := map[string]bool{}
	for _, o := range others {
		have[o] = true
	}
	out := make([]string, 0, len(words))
	for _, w := range words {
		if !have[w] {
			out = append(out, w)
		}
	}
	return out
}

// begin chooses a plan for every target and puts the operation on record. Before
// it, nothing has happened anywhere.
func (b *Broker) begin(ctx context.Context, w want, lease Lease) (*line, error) {
	l, err := b.newLine(w, lease)
	if err != nil {
		return nil, err
	}
	plans, err := l.setup.Token.Plans(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe token %s: %w", l.setup.Name, err)
	}
	for _, t := range w.targets {
		p := l.newPlace(t, Placement{
			KeyID: l.key.ID, Number: l.version.Number, Target: t.Name, Step: PlacementIntended,
			Consumer: t.consumerOf(w.name), ValidTo: w.validTo,
		})
		if p.plan, err = choose(w.spec, p.caps, plans, w.policy); err != nil {
			return nil, err
		}
		p.placement.Transport = Transport{Mechanism: p.plan.Mechanism, Way: p.plan.Way}
		if err := l.consumerIsFree(ctx, p); err != nil {
			return nil, err
		}
		l.places = append(l.places, p)
	}
	change := Change{NewKey: &l.key, NewVersion: &l.version, NewOperation: &l.op}
	for _, p := range l.places {
		change.Placements = append(change.Placements, p.placement)
	}
	_, err = l.apply(ctx, "import.begun", nil, change, map[string]any{
		"spec": l.key.Spec, "purpose": l.key.Purpose, "policy": l.key.Policy, "retain": l.version.Retain,
		"targets": l.op.Targets, "valid_to": l.op.Params.ValidTo,
	})
	return l, err
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
		b: b, setup: setup, policy: w.policy, key: key, lease: lease, effects: map[string]EffectRecord{},
		version: KeyVersion{
			KeyID: key.ID, Number: 1, State: PreActivation, Retain: w.retain, Provenance: "generated", CreatedAt: now,
		},
		op: Operation{
			ID: newOperationID(now), Kind: OpImport, State: Running, KeyID: key.ID, KeyName: key.Name, Number: 1,
			Targets: targetNames(w.targets), Actor: b.o.Actor, Reason: w.req.Reason, Ticket: w.req.Ticket, StartedAt: now,
			Params: Params{ValidTo: w.validTo, ActivateAt: w.req.ActivateAt, NoActivate: w.req.NoActivate},
		},
	}, nil
}

// consumerIsFree refuses to begin where the name that consumers will use already
// leads somewhere: an import never takes it from another key.
func (l *line) consumerIsFree(ctx context.Context, p *place) error {
	if p.placement.Consumer == "" {
		return nil
	}
	held, err := l.consumerNow(ctx, p)
	if err != nil || held == "" {
		return err
	}
	return &Error{
		Kind: Conflict, Op: "import", Object: "key " + l.key.Name,
		Cause: fmt.Errorf("%s already leads to %s at target %s", p.placement.Consumer, held, p.target.Name),
		Hint:  "import under another name, or remove that name at the target first",
	}
}

// consumerNow is the key that consumers get by the placement's name; "" none.
func (l *line) consumerNow(ctx context.Context, p *place) (string, error) {
	var held string
	err := again(ctx, func() error {
		held = ""
		for o, err := range p.target.Provider.Look(ctx, Query{Consumer: p.placement.Consumer}) {
			if err != nil {
				return err
			}
			held = o.Version.Key.ID
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look at %s at target %s: %w", p.placement.Consumer, p.target.Name, err)
	}
	return held, nil
}
