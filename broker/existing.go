package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// existing is an operation on a version that is there: which, where, and why.
type existing struct {
	kind   OperationKind
	name   string
	number int    // 0: the active one, else the newest
	target string // "" all of the version's
	params Params
	why    Why
	all    bool // also placements that were taken back already
	// each target is trusted when it is asked: one that cannot be, or is not in the
	// config any more, does not keep the others from it.
	each bool
	// fromNow: the end was counted from now, and an operation on record keeps its own.
	fromNow bool
}

// startExisting begins such an operation under the key's lease, or goes on with
// an unfinished one of the same kind and parameters. The caller releases.
func (b *Broker) startExisting(ctx context.Context, want existing) (*line, func(), error) {
	view, err := b.o.Store.Key(ctx, want.name)
	if err != nil {
		return nil, nil, fmt.Errorf("read key %s: %w", want.name, err)
	}
	_, placements, err := pick(view, want)
	if err != nil {
		return nil, nil, err
	}
	var targets []Target
	for _, p := range placements {
		if want.each {
			continue
		}
		t, err := b.target(p.Target)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, t)
	}
	if err := b.trust(ctx, targets); err != nil {
		return nil, nil, err
	}
	lease, release, err := b.takeLease(ctx, want.name)
	if err != nil {
		return nil, nil, err
	}
	l, err := b.existingLine(ctx, want, lease)
	if err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// existingLine reads the key anew, now that nobody else writes it.
func (b *Broker) existingLine(ctx context.Context, want existing, lease Lease) (*line, error) {
	view, err := b.o.Store.Key(ctx, want.name)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", want.name, err)
	}
	version, placements, err := pick(view, want)
	if err != nil {
		return nil, err
	}
	operations, err := b.witnessedOperations(ctx, view)
	if err != nil {
		return nil, err
	}
	l, err := b.newExisting(view, version, want, lease)
	if err == nil {
		err = l.addPlaces(placements, want.each)
	}
	if err != nil || want.kind == OpVerify {
		return l, err
	}
	for _, op := range operations {
		if op.Operation.State.Open() {
			if began := op.Operation.Params.ValidTo; want.fromNow && !began.IsZero() {
				l.op.Params.ValidTo = began
			}
			return b.unfinished(view, op, l.op, lease)
		}
		if op.Operation.State == Finished && op.Operation.Number == version.Number {
			if err := op.Resumable(); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// unfinished: one operation on a key at a time; the same one asked again goes on.
func (b *Broker) unfinished(view KeyView, op OperationView, asked Operation, lease Lease) (*line, error) {
	if err := op.Resumable(); err != nil {
		return nil, err
	}
	o := op.Operation
	same := o.Kind == asked.Kind && o.Number == asked.Number && slices.Equal(o.Targets, asked.Targets) &&
		o.Params.ValidTo.Equal(asked.Params.ValidTo) && o.Params.KeepEnd == asked.Params.KeepEnd
	if same && o.State != UndecidedState {
		return b.rebuild(view, op, lease)
	}
	return nil, &Error{
		Kind: Conflict, Op: string(asked.Kind) + " of", Object: "key " + o.KeyName,
		Cause: fmt.Errorf("its %s %s is %s: %s", o.Kind, o.ID, o.State, first(o.Problem, "it did not finish")),
		Hint:  strings.Join(o.ways(), ", or ") + ", first",
	}
}

// newExisting is a line with a new operation on a version.
func (b *Broker) newExisting(view KeyView, version KeyVersion, want existing, lease Lease) (*line, error) {
	l, err := b.lineOf(view, version, lease)
	if err != nil {
		return nil, err
	}
	now := b.o.Now()
	l.op = Operation{
		ID: newOperationID(now), Kind: want.kind, State: Running, KeyID: view.Key.ID, KeyName: view.Key.Name,
		Number: version.Number, Params: want.params, Actor: b.o.Actor, Reason: want.why.Reason, Ticket: want.why.Ticket, StartedAt: now,
	}
	return l, nil
}

// addPlaces gives the line its places; those at targets that are gone from the config
// only where each is for itself.
func (l *line) addPlaces(placements []Placement, each bool) error {
	for _, placement := range placements {
		t, err := l.b.target(placement.Target)
		if err != nil && each {
			l.places = append(l.places, &place{target: Target{Name: placement.Target}, placement: placement})
			continue
		}
		if err != nil {
			return err
		}
		l.op.Targets = append(l.op.Targets, t.Name)
		l.places = append(l.places, l.newPlace(t, placement))
	}
	return nil
}

// pick chooses the version and its placements that an operation is about.
func pick(view KeyView, want existing) (KeyVersion, []Placement, error) {
	version, err := pickVersion(view, want.number)
	if err != nil {
		return KeyVersion{}, nil, err
	}
	var placements []Placement
	for _, p := range view.Placements {
		gone := p.Step == PlacementAbandoned && !want.all
		if p.Number == version.Number && !gone && (want.target == "" || p.Target == want.target) {
			placements = append(placements, p)
		}
	}
	if len(placements) == 0 {
		return KeyVersion{}, nil, &Error{
			Kind: NotFound, Op: "find a placement of", Object: fmt.Sprintf("key %s version %d", view.Key.Name, version.Number),
			Cause: fmt.Errorf("it has none at target %q", first(want.target, "(any)")), Hint: "keyferry key show " + view.Key.Name,
		}
	}
	return version, placements, nil
}

func pickVersion(view KeyView, number int) (KeyVersion, error) {
	if number > 0 {
		if v, ok := view.Version(number); ok {
			return v, nil
		}
		return KeyVersion{}, &Error{Kind: NotFound, Op: "find", Object: fmt.Sprintf("version %d of key %s", number, view.Key.Name)}
	}
	if len(view.Versions) == 0 {
		return KeyVersion{}, &Error{Kind: NotFound, Op: "find a version of", Object: "key " + view.Key.Name}
	}
	i := slices.IndexFunc(view.Versions, func(v KeyVersion) bool { return v.State == Active })
	if i < 0 {
		i = len(view.Versions) - 1
	}
	return view.Versions[i], nil
}

// Activate gives consumers a version that is staged and proven.
func (b *Broker) Activate(ctx context.Context, req ActivateRequest) (Result, error) {
	l, release, err := b.startExisting(ctx, existing{kind: OpActivate, name: req.Name, number: req.Number, target: req.Target, why: req.Why})
	if err != nil {
		return Result{}, err
	}
	defer release()
	if !l.resumed && l.version.State == Active && l.allActive() {
		return l.activeAlready(ctx)
	}
	for _, p := range l.places {
		if p.placement.Step == PlacementActive {
			continue
		}
		if err := activatable(l.version, p.placement, req.Name); err != nil {
			return Result{}, err
		}
	}
	if err := l.open(ctx, "activation.begun", nil); err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

// open puts a new operation on an existing version on record.
func (l *line) open(ctx context.Context, event string, details map[string]any) error {
	if l.resumed {
		return nil
	}
	_, err := l.apply(ctx, event, nil, Change{NewOperation: &l.op}, with(details, "targets", l.op.Targets))
	return err
}

func (l *line) activating(ctx context.Context) error {
	for _, p := range l.places {
		if err := l.activate(ctx, p); err != nil {
			return err
		}
	}
	return l.finish(ctx)
}

var errNoCopy = errors.New("the token no longer holds a copy that can be wrapped")
