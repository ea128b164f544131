package broker

import (
	"context"
	"errors"
	"fmt"
)

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
	case op.Standing() == Aborting:
		return nil, op.Resumable()
	case op.Operation.State == UndecidedState:
		return nil, &Error{
			Kind: Undecided, Op: "import", Object: "key " + w.name, Cause: errors.New(op.Operation.Problem),
			Hint: fmt.Sprintf("keyferry operation show %s shows what was found, and the commands that end it", op.Operation.ID),
		}
	}
	return b.rebuild(view, op, lease)
}

// findImport finds the import of version 1 of the key at the targets, finished or
// not; without an operation where there is none.
func (b *Broker) findImport(ctx context.Context, w want) (KeyView, OperationView, error) {
	view, err := b.o.Store.Key(ctx, w.name)
	if errors.Is(err, NotFound) {
		return KeyView{}, OperationView{}, b.witness(ctx, KeySubject(w.name), func(t told) error { return errors.Join(t.noKey(w.name), t.notMissing(w.name)) })
	}
	if err != nil {
		return KeyView{}, OperationView{}, fmt.Errorf("read key %s: %w", w.name, err)
	}
	operations, err := b.witnessedOperations(ctx, view)
	if err != nil {
		return KeyView{}, OperationView{}, err
	}
	if why := w.differs(view.Key); why != "" {
		return view, OperationView{}, w.conflict(errors.New(why), "a key's spec, purpose and policy never change: import under another name")
	}
	for _, op := range operations {
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

// rebuild puts a line back together from what is on record, and was held against the
// audit.
func (b *Broker) rebuild(view KeyView, op OperationView, lease Lease) (*line, error) {
	version, ok := view.Version(op.Operation.Number)
	if !ok {
		return nil, fmt.Errorf("rebuild operation %s: version %d is not in the store: %w", op.Operation.ID, op.Operation.Number, Tampered)
	}
	l, err := b.lineOf(view, version, lease)
	if err != nil {
		return nil, err
	}
	l.op, l.resumed = op.Operation, true
	for _, r := range op.Effects {
		l.effects[r.Effect.ID()] = r
	}
	if l.op.State == Abandoned {
		return l, nil
	}
	if err := op.Resumable(); err != nil {
		return nil, err
	}
	if l.op.State == Finished {
		return l, nil
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

// lineOf is a line on a version that is on record, and was held against the audit, without
// its operation.
func (b *Broker) lineOf(view KeyView, version KeyVersion, lease Lease) (*line, error) {
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
