package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
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
	l, err := b.reopen(ctx, w, lease) // is it there already?
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
	default:
	}
	if err := l.goOn(ctx); err != nil {
		return Result{}, err
	}
	if err := steps(ctx); err != nil {
		return Result{}, l.stop(ctx, err)
	}
	return l.view(ctx, false)
}

// goOn puts on record that an operation goes on, and by whom.
func (l *line) goOn(ctx context.Context) error {
	if !l.resumed {
		return nil
	}
	_, err := l.apply(ctx, string(l.op.Kind)+".resumed", nil, Change{Operation: &l.op}, nil)
	return err
}

// importing is steps 3 to 10 of an import.
func (l *line) importing(ctx context.Context) error {
	if err := l.usable(); err != nil {
		return err
	}
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

// usable: a version whose proof failed, or that was taken back, is never imported
// anywhere else.
func (l *line) usable() error {
	for _, p := range l.places {
		if p.placement.Step == PlacementFailed || p.placement.Step == PlacementAbandoned {
			return l.unusable(fmt.Errorf("at target %s it is %s: %s", p.target.Name, p.placement.Step, p.placement.Proof.Detail))
		}
	}
	if s := l.version.State; s != PreActivation && s != Active {
		return l.unusable(fmt.Errorf("it is %s", s))
	}
	return nil
}

func (l *line) unusable(why error) error {
	return &Error{
		Kind: Conflict, Op: "import", Object: fmt.Sprintf("key %s version %d", l.key.Name, l.version.Number), Cause: why,
		Hint: "keyferry operation abort " + l.op.ID + " --reason … takes it back; import under another name",
	}
}

// reopen puts the import of the key's version 1 back together from what is on
// record; nil where there is none.
func (b *Broker) reopen(ctx context.Context, w want, lease Lease) (*line, error) {
	view, op, err := b.findImport(ctx, w)
	switch {
	case err != nil:
		return nil, err
	case op.Operation.ID == "":
		return nil, nil
	case op.Operation.State == UndecidedState:
		return nil, &Error{
			Kind: Undecided, Op: "import", Object: "key " + w.name, Cause: errors.New(op.Operation.Problem),
			Hint: fmt.Sprintf("look at what was found, then keyferry operation resume %s or keyferry operation abort %s --reason …", op.Operation.ID, op.Operation.ID),
		}
	}
	return b.rebuild(ctx, view, op, lease)
}

// findImport finds the import of version 1 of the key at the targets, finished or
// not; without an operation where there is none.
func (b *Broker) findImport(ctx context.Context, w want) (KeyView, OperationView, error) {
	view, err := b.o.Store.Key(ctx, w.name)
	if errors.Is(err, NotFound) {
		return KeyView{}, OperationView{}, nil
	}
	if err != nil {
		return KeyView{}, OperationView{}, fmt.Errorf("read key %s: %w", w.name, err)
	}
	if why := w.differs(view.Key); why != "" {
		return view, OperationView{}, w.conflict(errors.New(why), "a key's spec, purpose and policy never change: import under another name")
	}
	for op, err := range b.o.Store.Operations(ctx, OperationFilter{KeyName: w.name}) {
		if err != nil {
			return view, OperationView{}, fmt.Errorf("read operations of key %s: %w", w.name, err)
		}
		if op.Operation.Kind != OpImport || op.Operation.State == Abandoned {
			continue
		}
		if missing := without(targetNames(w.targets), op.Operation.Targets); len(missing) > 0 {
			return view, op, w.conflict(
				fmt.Errorf("it was imported at %s, not at %s, by operation %s", listed(op.Operation.Targets), listed(missing), op.Operation.ID),
				"import under another name, or at the targets it has")
		}
		return view, op, w.sameImport(view, op.Operation)
	}
	return view, OperationView{}, w.conflict(errors.New("its import was taken back, and a version number is never used twice"), "import under another name")
}

func (w want) conflict(why error, hint string) error {
	return &Error{Kind: Conflict, Op: "import", Object: "key " + w.name, Cause: why, Hint: hint}
}

// rebuild puts a line back together from what is on record, after holding that
// against the audit.
func (b *Broker) rebuild(ctx context.Context, view KeyView, op OperationView, lease Lease) (*line, error) {
	version, ok := view.Version(op.Operation.Number)
	if !ok {
		return nil, fmt.Errorf("rebuild operation %s: version %d is not in the store: %w", op.Operation.ID, op.Operation.Number, Tampered)
	}
	l, err := b.lineOf(ctx, view, version, lease)
	if err != nil {
		return nil, err
	}
	if err := b.witness(ctx, func(log *auditLog) error { return log.operation(op) }); err != nil {
		return nil, err
	}
	l.op, l.resumed = op.Operation, true
	for _, r := range op.Effects {
		l.effects[r.Effect.ID()] = r
	}
	if !l.op.State.Open() {
		return l, nil
	}
	if err := abandoning(op); err != nil {
		return nil, err
	}
	for _, name := range op.Operation.Targets {
		t, err := b.target(name)
		if err != nil {
			return nil, err
		}
		placement, _ := view.Placement(version.Number, name)
		l.places = append(l.places, l.newPlace(t, placement))
	}
	l.op.State, l.op.Problem = Running, ""
	return l, nil
}

// lineOf is a line on a version that is on record, without its operation.
func (b *Broker) lineOf(ctx context.Context, view KeyView, version KeyVersion, lease Lease) (*line, error) {
	setup, err := b.token()
	if err != nil {
		return nil, err
	}
	if view.Key.Environment != setup.Environment {
		return nil, &Error{
			Kind: Denied, Op: "use", Object: "key " + view.Key.Name,
			Cause: fmt.Errorf("it belongs to environment %q, token %s to %q", view.Key.Environment, setup.Name, setup.Environment),
		}
	}
	if err := b.witness(ctx, func(log *auditLog) error { return log.view(view) }); err != nil {
		return nil, err
	}
	return &line{b: b, setup: setup, key: view.Key, version: version, lease: lease, effects: map[string]EffectRecord{}}, nil
}

func (l *line) newPlace(t Target, placement Placement) *place {
	caps := t.Provider.Capabilities()
	return &place{target: t, caps: caps, spec: caps.Specs[l.key.Spec], placement: placement, enrolled: l.b.enrolled(t.Name)}
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
			Consumer: t.consumerOf(w.name), ValidTo: w.validTo,
		})
		if err := l.plan(ctx, p); err != nil {
			return nil, err
		}
		p.placement.Transport = Transport{Mechanism: p.plan.Mechanism, Way: p.plan.Way}
		if err := l.consumerIsFree(ctx, p); err != nil {
			return nil, err
		}
		l.places = append(l.places, p)
	}
	_, err = l.apply(ctx, "import.begun", nil, Change{
		NewKey: &l.key, NewVersion: &l.version, NewOperation: &l.op, Placements: l.placements(),
	}, map[string]any{
		"spec": l.key.Spec, "purpose": l.key.Purpose, "policy": l.key.Policy, "retain": l.version.Retain,
		"targets": l.op.Targets, "valid_to": l.op.Params.ValidTo,
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
			KeyID: key.ID, Number: 1, State: PreActivation, Retain: w.retain, Provenance: "generated", CreatedAt: now,
		},
		op: Operation{
			ID: newOperationID(now), Kind: OpImport, State: Running, KeyID: key.ID, KeyName: key.Name, Number: 1,
			Targets: targetNames(w.targets), Actor: b.o.Actor, Reason: w.req.Reason, Ticket: w.req.Ticket, StartedAt: now,
			Params: Params{ValidTo: w.validTo, ActivateAt: w.req.ActivateAt.UTC().Truncate(time.Second), NoActivate: w.req.NoActivate},
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
	err := l.again(ctx, func() error {
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
