package broker

import "context"

// Import makes version 1 of a key exist at its targets. Finished already, it says
// so; unfinished, it goes on; with another spec, purpose or policy it is a
// Conflict and nothing happened. Its other errors say what stays behind.
func (b *Broker) Import(ctx context.Context, req ImportRequest) (Result, error) {
	return b.importLeg(ctx, req, leg{})
}

// importLeg does as much of an import as the leg asks for.
func (b *Broker) importLeg(ctx context.Context, req ImportRequest, part leg) (Result, error) {
	w, err := b.resolve(req)
	if err != nil {
		return Result{}, err
	}
	if err := b.trustRecords(ctx, w.targets); err != nil {
		return Result{}, err
	}
	if err := b.identifyAll(ctx, part.targets(w.targets)); err != nil {
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
		l, err = b.begin(ctx, w, lease, part) //           1 choose, 2 begin
	case l.op.State == Finished:
		return l.view(ctx, true)
	}
	if err != nil {
		return Result{}, err
	}
	l.leg, l.resumed = part, l.resumed && !part.parked
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
	defer l.closeCopy(ctx)
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

// importing is steps 3 to 10 of an import, in two phases: what can be staged is
// staged and proven at every target before consumers are given anything at one. Where
// a version is used as soon as it is imported, its import waits until then, ready.
func (l *line) importing(ctx context.Context) error {
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.generate(ctx); err != nil { //        3 generate
		return err
	}
	inert, immediate := l.byStaging()
	for _, p := range inert {
		if !l.leg.at(p) {
			continue
		}
		if err := l.stage(ctx, p); err != nil { //      4 prepare to 8 prove
			return err
		}
	}
	if l.parks() {
		return nil
	}
	for _, p := range immediate {
		if err := l.makeReady(ctx, p); err != nil { //  4 prepare, 5 fetch, 6 wrap
			return err
		}
	}
	for _, p := range inert {
		if err := l.activate(ctx, p); err != nil { //   9 activate, prove once more
			return err
		}
	}
	for _, p := range immediate {
		if err := l.stage(ctx, p); err != nil { //      7 import, 8 prove
			return err
		}
		if err := l.activate(ctx, p); err != nil { //   9 activate, prove once more
			return err
		}
	}
	return l.finish(ctx) //                          10 finish
}

// stage brings material to a place and proves it there; consumers get it only later,
// if the place allows that.
func (l *line) stage(ctx context.Context, p *place) error {
	if err := l.prepare(ctx, p); err != nil { //    4 prepare
		return err
	}
	if err := l.transfer(ctx, p); err != nil { //   5 fetch, 6 wrap, 7 import
		return err
	}
	if l.provesLater(p) {
		return nil
	}
	if err := l.prove(ctx, p); err != nil { //      8 prove
		return l.hide(ctx, p, err)
	}
	return l.withhold(ctx, p)
}

// byStaging parts the places that can hold a version back from those that cannot, in
// the order they have.
func (l *line) byStaging() (inert, immediate []*place) {
	for _, p := range l.places {
		if p.given(l.key.Purpose).Immediate(l.version.Number) {
			immediate = append(immediate, p)
		} else {
			inert = append(inert, p)
		}
	}
	return inert, immediate
}
