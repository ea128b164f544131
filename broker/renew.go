package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Renew imports the same material again with another end: also after the cloud's
// copy expired or was deleted.
func (b *Broker) Renew(ctx context.Context, req RenewRequest) (Result, error) {
	l, release, err := b.startExisting(ctx, existing{
		kind: OpRenew, name: req.Name, number: req.Number, target: req.Target, why: req.Why, fromNow: req.FromNow, params: req.params(),
	})
	if err != nil {
		return Result{}, err
	}
	defer release()
	if err := l.renewalFits(); err != nil {
		return Result{}, err
	}
	if _, err := l.renewals(ctx); err != nil {
		return Result{}, err
	}
	if err := l.open(ctx, "renewal.begun", map[string]any{"valid_to": end(l.op.Params.ValidTo), "keep_end": l.op.Params.KeepEnd}); err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

func (req RenewRequest) params() Params {
	return Params{ValidTo: req.ValidTo.UTC().Truncate(time.Second), KeepEnd: req.KeepEnd}
}

// renewalFits is asked at the start and when going on: the end may have passed,
// and the version changed.
func (l *line) renewalFits() error {
	if err := renewable(l.key.Name, l.version, l.placements(), l.importsAgain()); err != nil {
		return err
	}
	for _, p := range l.places {
		if err := endFits(l.key.Name, p.target, p.placement, l.op.Params, l.b.o.Now()); err != nil {
			return err
		}
	}
	return nil
}

// endOf is the end that a renewal gives a placement.
func (o Params) endOf(p Placement) time.Time {
	if o.KeepEnd {
		return p.ValidTo
	}
	return o.ValidTo
}

// endFits refuses an end that a target cannot give its placement. It is a pure
// decision.
func endFits(name string, t Target, p Placement, asked Params, now time.Time) error {
	caps, to := t.Provider.Capabilities(), asked.endOf(p)
	refuse := func(cause, hint string) error {
		return &Error{Kind: Unsupported, Op: "renew", Object: "key " + name + " at target " + t.Name, Cause: errors.New(cause), Hint: hint}
	}
	switch {
	case caps.ValidTo.Moves && asked.KeepEnd:
		return refuse(caps.Service+" moves an end, and takes no material again", "give --valid-to, or name the other targets with --target")
	case caps.ValidTo.Moves && to.IsZero():
		return refuse(caps.Service+" moves an end, and does not take it away", "give --valid-to, or name the other targets with --target")
	case asked.KeepEnd && !to.IsZero() && !to.After(now):
		return misuse("renew "+name, fmt.Sprintf("its valid-to at target %s, %s, is past: give --valid-to or --no-end", t.Name, stamp(to)))
	default:
		return checkValidTo(name, caps, to, now)
	}
}

// renewable: what was never imported, failed its proof, or is gone from the token
// cannot be imported again; where an end is only moved, no copy is needed. It is a
// pure decision.
func renewable(name string, version KeyVersion, placements []Placement, needsCopy bool) error {
	refuse := func(kind Kind, cause error, hint string) error {
		return &Error{Kind: kind, Op: "renew", Object: fmt.Sprintf("key %s version %d", name, version.Number), Cause: cause, Hint: hint}
	}
	switch {
	case version.State != PreActivation && version.State != Active:
		return refuse(Conflict, fmt.Errorf("it is %s", version.State), "keyferry key show "+name)
	case version.Material.Ended != "" && needsCopy:
		return refuse(Unsupported, errNoCopy, fmt.Sprintf("it was imported with retain: %s; import another key with retain: token", version.Retain))
	}
	for _, p := range placements {
		if p.Step == PlacementIntended || p.Step == PlacementFailed || p.Step == PlacementAbandoned {
			return refuse(Conflict, fmt.Errorf("at target %s it is %s", p.Target, p.Step), "keyferry operation list --key "+name)
		}
	}
	return nil
}

// renewing is steps 5 to 8 with material that the target had before, and 10.
func (l *line) renewing(ctx context.Context) error {
	if err := l.renewalFits(); err != nil {
		return err
	}
	if l.importsAgain() {
		if err := l.materialThere(ctx); err != nil {
			return err
		}
	}
	send, err := l.renewals(ctx)
	if err != nil {
		return err
	}
	for _, renew := range send {
		if err := renew(); err != nil {
			return err
		}
	}
	for _, p := range l.places {
		if err := l.withholdAgain(ctx, p); err != nil {
			return err
		}
	}
	return l.finishRenewal(ctx)
}

// renewals are what is still to do at each place, with all looked at that can refuse.
func (l *line) renewals(ctx context.Context) (send []func() error, err error) {
	for _, p := range l.places {
		if rec, ok := l.effects[l.effect(p, StepRenew).ID()]; ok && rec.Done() {
			continue
		}
		renew := func() error { return l.moveEnd(ctx, p) }
		if !p.caps.ValidTo.Moves {
			in, err := l.renewalAt(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("at target %s: %w", p.target.Name, err)
			}
			renew = func() error { return l.renewAt(ctx, p, in) }
		}
		send = append(send, func() error {
			if err := renew(); err != nil {
				return fmt.Errorf("at target %s: %w", p.target.Name, err)
			}
			return nil
		})
	}
	return send, nil
}

// importsAgain reports whether the renewal sends material anywhere.
func (l *line) importsAgain() bool {
	return slices.ContainsFunc(l.places, func(p *place) bool { return !p.caps.ValidTo.Moves })
}

func (l *line) materialThere(ctx context.Context) error {
	if l.version.Retain == RetainWrapped {
		return l.copy(ctx)
	}
	for _, err := range l.setup.Token.Objects(ctx, ObjectQuery{ID: l.version.Material.ID}) {
		return err
	}
	return &Error{
		Kind: NotFound, Op: "find", Object: l.version.Material.String(), Cause: errNoCopy,
		Hint: "restore the token from its backup; the material exists nowhere else",
	}
}

// renewalAt is what a renewal sends to a place. It only looks, and is asked of every
// place before anything is sent to one.
func (l *line) renewalAt(ctx context.Context, p *place) (ImportIn, error) {
	v := p.placement.Version
	in := ImportIn{Key: v.Key, Kind: ImportExisting, Version: &v, Spec: l.key.Spec, ValidTo: l.op.Params.endOf(p.placement)}
	if rec, begun := l.effects[l.effect(p, StepRenew).ID()]; begun { // what it was begun as, it is
		var intent importIntent
		if err := json.Unmarshal(rec.Intent, &intent); err != nil {
			return ImportIn{}, fmt.Errorf("decode intent of %s: %w", StepRenew, err)
		}
		in.Kind = intent.Kind
		return in, nil
	}
	seen, err := l.look(ctx, p, Query{Version: &v})
	if err != nil {
		return ImportIn{}, err
	}
	if len(seen) == 1 && !seen[0].HasMaterial {
		in.Kind = ImportRestore
	}
	if len(seen) == 1 && seen[0].State == RemoteScheduled {
		return ImportIn{}, &Error{
			Kind: Conflict, Op: "renew", Object: v.Key.ID, Cause: fmt.Errorf("it is to be deleted at %s", end(seen[0].DeletionAt)),
			Hint: "cancel that at the target, where it still has the material; then nothing needs to be imported",
		}
	}
	if in.Kind == ImportExisting && !p.caps.ValidTo.Native {
		return ImportIn{}, &Error{
			Kind: Unsupported, Op: "renew", Object: v.Key.ID, Cause: errors.New("the material is there, and never ends at " + p.caps.Service),
			Hint: "name the other targets with --target",
		}
	}
	return in, nil
}

func (l *line) renewAt(ctx context.Context, p *place, in ImportIn) error {
	rec, done, err := l.send(ctx, p, StepRenew, in)
	if err != nil {
		return err
	}
	p.placement.ValidTo = in.ValidTo
	if err := l.arrived(ctx, p); err != nil {
		return err
	}
	if err := l.proveRenewed(ctx, p, done.Version); err != nil {
		return err
	}
	return l.settle(ctx, p, rec, done, map[string]any{"version_ref": done.Version, "valid_to": end(in.ValidTo), "receipt": done.Receipt})
}

// withholdAgain: what was restored may be enabled, whatever it was before.
func (l *line) withholdAgain(ctx context.Context, p *place) error {
	if !p.withheld(l.key.Purpose) || p.given(l.key.Purpose).Immediate(l.version.Number) {
		return nil
	}
	usable, err := l.usableNow(ctx, p)
	if err == nil && usable {
		err = l.switched(ctx, p, StepWithhold, Disable, RemoteDisabled)
	}
	if err != nil {
		return fmt.Errorf("withhold at target %s: %w", p.target.Name, err)
	}
	return nil
}

// moveEnd gives a version another end where that needs no import.
func (l *line) moveEnd(ctx context.Context, p *place) error {
	action := Action{Kind: SetEnd, ValidTo: l.op.Params.ValidTo}
	rec, _, err := l.intend(ctx, p, StepRenew, action, map[string]any{"valid_to": end(action.ValidTo)})
	if err != nil {
		return err
	}
	v := p.placement.Version
	var receipt Receipt
	for range attempts { // the same end again has the same result
		err = l.again(ctx, func(ctx context.Context) (err error) {
			receipt, err = p.target.Provider.Do(ctx, rec.Effect, v, action)
			return err
		})
		if !errors.Is(err, Unclear) {
			break
		}
	}
	if err != nil {
		return err
	}
	p.placement.ValidTo = action.ValidTo
	if !p.withheld(l.key.Purpose) {
		if err := l.arrived(ctx, p); err != nil {
			return err
		}
	}
	return l.settle(ctx, p, rec, action, map[string]any{"valid_to": end(action.ValidTo), "receipt": receipt})
}

// proveRenewed: to be accepted as existing material is the reimport proof itself;
// the other levels are asked anew.
func (l *line) proveRenewed(ctx context.Context, p *place, answered VersionRef) error {
	level, _ := l.proofLevel(p)
	var evidence map[string]any
	var err error
	switch v := p.placement.Version; {
	case answered.ID != v.ID:
		err = &Error{
			Kind: Differs, Op: "renew", Object: v.Key.ID, Cause: fmt.Errorf("the target answered with material %s, it was %s", answered.ID, v.ID),
		}
	case p.asleep != "" && p.withheld(l.key.Purpose):
		return nil // it is proven once it is enabled, for its activation
	case level != ProofReimport && level != ProofAccepted:
		_, evidence, err = l.challenge(ctx, p, v, level)
	}
	if errors.Is(err, Differs) {
		return l.failProof(ctx, p, level, err, evidence)
	}
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	if level != ProofAccepted {
		p.placement.Proof.At = l.b.o.Now()
	}
	_, err = l.apply(ctx, "proof.renewed", p, Change{}, with(evidence, "level", level))
	return err
}

func (l *line) finishRenewal(ctx context.Context) error {
	op := l.ended(Finished)
	head, err := l.apply(ctx, "renewal.finished", nil, Change{Operation: &op}, nil)
	if err != nil {
		return err
	}
	l.op = op
	l.b.remember(ctx, l.setup, head)
	return nil
}
