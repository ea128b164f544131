package broker

import "context"

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
