package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// activateIntent is what consumers got before: the way back, and how a restart
// tells whether the change happened.
type activateIntent struct {
	Consumer string `json:"consumer"`
	Before   string `json:"before"` // key ref; "" none, as for every first version
}

// activeAlready names the operation that last gave the version to consumers.
func (l *line) activeAlready(ctx context.Context) (Result, error) {
	for op, err := range l.b.o.Store.Operations(ctx, OperationFilter{KeyName: l.key.Name, States: []OperationState{Finished}}) {
		if err != nil {
			return Result{}, fmt.Errorf("read operations of key %s: %w", l.key.Name, err)
		}
		if o := op.Operation; o.Number == l.version.Number && (o.Kind == OpActivate || o.Kind == OpImport) {
			l.op = o
			break
		}
	}
	return l.view(ctx, true)
}

// due reports whether consumers shall get the version now.
func (l *line) due() bool {
	if l.op.Params.NoActivate {
		return false
	}
	at := l.op.Params.ActivateAt
	return at.IsZero() || !at.After(l.b.o.Now())
}

// activate gives the version to consumers, and proves it once more through what
// they use.
func (l *line) activate(ctx context.Context, p *place) error {
	if p.placement.Step == PlacementActive || !l.due() {
		return nil
	}
	if err := activatable(l.version, p.placement, l.key.Name); err != nil {
		return err
	}
	if err := l.provenLately(ctx, p); err != nil {
		return err
	}
	if err := l.enable(ctx, p); err != nil {
		return fmt.Errorf("activate at target %s: %w", p.target.Name, err)
	}
	if err := l.moveConsumer(ctx, p); err != nil {
		return fmt.Errorf("activate at target %s: %w", p.target.Name, err)
	}
	evidence, err := l.proveThroughConsumer(ctx, p)
	if errors.Is(err, Differs) {
		return l.giveBack(ctx, p, err, evidence)
	}
	if err != nil {
		return fmt.Errorf("prove through %s at target %s: %w", p.placement.Consumer, p.target.Name, err)
	}
	p.placement.Step, p.placement.Proof.At = PlacementActive, l.b.o.Now()
	_, err = l.apply(ctx, "proof.active", p, Change{Placements: []Placement{p.placement}, Soft: true}, with(evidence, "via", p.placement.Consumer))
	return err
}

// provenLately proves a version anew that was proven in an earlier hour: much can
// happen to what is staged.
func (l *line) provenLately(ctx context.Context, p *place) error {
	proof := p.placement.Proof
	if l.b.o.Now().Sub(proof.At) <= challengeLife || proof.Level == ProofAccepted || p.given(l.key.Purpose).Withheld() {
		return nil // what is withheld is proven once it is enabled
	}
	_, evidence, err := l.challenge(ctx, p, p.placement.Version, proof.Level)
	if errors.Is(err, Differs) {
		return l.failProof(ctx, p, proof.Level, err, evidence)
	}
	if err != nil {
		return fmt.Errorf("prove at target %s: %w", p.target.Name, err)
	}
	return nil
}

// giveBack lets consumers have what they had before: what they were about to get
// is not our material.
func (l *line) giveBack(ctx context.Context, p *place, cause error, evidence map[string]any) error {
	err := l.takeFromConsumers(ctx, p)
	return errors.Join(l.failProof(ctx, p, p.placement.Proof.Level, cause, with(evidence, "via", p.placement.Consumer)), err)
}

// takeFromConsumers lets what they use lead where it did; where it led nowhere that
// it can be led back to, the version is disabled.
func (l *line) takeFromConsumers(ctx context.Context, p *place) error {
	step, action := StepEnable, Action{Kind: Disable}
	switch given := p.given(l.key.Purpose); {
	case p.moves(l.key.Purpose):
		intent, err := l.activateIntent(p)
		if err != nil {
			return err
		}
		if given == GivenName || intent.Before != "" {
			step, action = StepActivate, Action{Kind: Deactivate, Consumer: intent.Consumer, Expect: intent.Before}
		}
	case !given.Withheld():
		return nil
	}
	return l.again(ctx, func(ctx context.Context) error {
		_, err := p.target.Provider.Do(ctx, l.effect(p, step), p.placement.Version, action)
		return err
	})
}

func (l *line) activateIntent(p *place) (intent activateIntent, err error) {
	if err := json.Unmarshal(l.effects[l.effect(p, StepActivate).ID()].Intent, &intent); err != nil {
		return activateIntent{}, fmt.Errorf("decode intent of %s: %w", StepActivate, err)
	}
	return intent, nil
}

// activatable: only what was proven is ever given to consumers. It is a pure
// decision.
func activatable(version KeyVersion, p Placement, name string) error {
	var why string
	switch {
	case version.State != PreActivation && version.State != Active:
		why = "it is " + string(version.State)
	case p.Step != PlacementProven:
		why = fmt.Sprintf("at target %s it is %s, not proven", p.Target, p.Step)
	default:
		return nil
	}
	return &Error{
		Kind: Conflict, Op: "activate", Object: fmt.Sprintf("key %s version %d", name, version.Number),
		Cause: errors.New(why), Hint: "keyferry key show " + name,
	}
}

// moves reports whether activation lets something that consumers use lead elsewhere.
func (p *place) moves(purpose Purpose) bool {
	return p.placement.Consumer != "" && !p.given(purpose).Withheld()
}

// told is what an observed version is to consumers: the key where a name of ours
// leads to it, else the version.
func (p *place) told(purpose Purpose, v VersionRef) string {
	if p.given(purpose) == GivenName {
		return v.Key.ID
	}
	return v.ID
}

// moveConsumer lets the consumer name lead to the version. The value before is in
// the intent: still that one, act; the new one, it is done; another, a person.
func (l *line) moveConsumer(ctx context.Context, p *place) error {
	if !p.moves(l.key.Purpose) {
		return nil // consumers get what is newest, or name the version
	}
	here := p.told(l.key.Purpose, p.placement.Version)
	rec, _, err := l.intend(ctx, p, StepActivate, activateIntent{Consumer: p.placement.Consumer}, map[string]any{
		"consumer": p.placement.Consumer, "after": here,
	})
	if err != nil || rec.Done() {
		return err
	}
	now, err := l.consumerNow(ctx, p)
	if err != nil {
		return err
	}
	intent, err := l.activateIntent(p)
	if err != nil {
		return err
	}
	for range attempts {
		switch now {
		case here:
			return l.settle(ctx, p, rec, intent, map[string]any{"consumer": intent.Consumer})
		case intent.Before:
		default:
			return l.consumerTaken(ctx, p, intent, now)
		}
		action := Action{Kind: Activate, Consumer: intent.Consumer, Expect: intent.Before}
		var receipt Receipt
		err := l.again(ctx, func(ctx context.Context) (err error) {
			receipt, err = p.target.Provider.Do(ctx, rec.Effect, p.placement.Version, action)
			return err
		})
		if err == nil {
			return l.settle(ctx, p, rec, intent, map[string]any{"consumer": intent.Consumer, "receipt": receipt})
		}
		if !errors.Is(err, Unclear) && !errors.Is(err, Conflict) {
			return err
		}
		if now, err = l.consumerSettled(ctx, p, intent.Before); err != nil {
			return err
		}
	}
	return &Error{Kind: Unavailable, Op: "move", Object: intent.Consumer, Cause: fmt.Errorf("%d answers were lost, and it did not move", attempts)}
}

// consumerSettled looks until the name no longer leads where it did, or the target
// has settled.
func (l *line) consumerSettled(ctx context.Context, p *place, before string) (now string, err error) {
	err = eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
		now, err = l.consumerNow(ctx, p)
		return err != nil || now != before, err
	})
	return now, err
}

func (l *line) consumerTaken(ctx context.Context, p *place, intent activateIntent, now string) error {
	held, err := l.consumed(ctx, p)
	if err != nil {
		return err
	}
	hint, err := l.orNewer(ctx, []Observation{held}, "find out who moved it, and let it lead where it did or to "+p.told(l.key.Purpose, p.placement.Version))
	if err != nil {
		return err
	}
	why := fmt.Sprintf("led to %q when this began, and leads to %q now", intent.Before, now)
	return &Error{
		Kind: Undecided, Op: "activate", Object: "key " + l.key.Name,
		Cause: fmt.Errorf("%s at target %s %s: somebody else moved it", intent.Consumer, p.target.Name, why),
		Seen:  []Sighting{{Target: p.target.Name, Ref: intent.Consumer, Why: "it " + why, Observation: &held}},
		Hint:  hint,
	}
}

// proveThroughConsumer is read-only. What was changed a moment ago may not be seen
// everywhere, so it has the target's settle time to come true.
func (l *line) proveThroughConsumer(ctx context.Context, p *place) (evidence map[string]any, err error) {
	v := p.placement.Version
	v.Via = p.placement.Consumer
	err = eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
		if err := l.leadsHere(ctx, p); err != nil {
			return !errors.Is(err, Conflict), err
		}
		if p.placement.Proof.Level == ProofAccepted {
			return true, nil
		}
		_, evidence, err = l.challenge(ctx, p, v, p.placement.Proof.Level)
		late := errors.Is(err, Differs) || errors.Is(err, NotFound) || errors.Is(err, Conflict) // what was enabled a moment ago too
		return !late, err
	})
	return evidence, err
}

// leadsHere is a Conflict while consumers get something else.
func (l *line) leadsHere(ctx context.Context, p *place) error {
	if p.placement.Consumer == "" {
		return nil
	}
	o, err := l.consumed(ctx, p)
	held, here := p.told(l.key.Purpose, o.Version), p.told(l.key.Purpose, p.placement.Version)
	if err != nil || held == here {
		return err
	}
	if twin := p.given(l.key.Purpose) == GivenNewest && o.Effect != "" && o.Effect == p.placement.Terms.Effect; twin {
		return nil // a late twin of our own import: what it holds is proven by what consumers use
	}
	return fmt.Errorf("%s leads to %q, not to %s: %w", p.placement.Consumer, held, here, Conflict)
}

// consumerNow is what consumers get by the placement's name, as told; "" nothing.
func (l *line) consumerNow(ctx context.Context, p *place) (string, error) {
	o, err := l.consumed(ctx, p)
	return p.told(l.key.Purpose, o.Version), err
}

// consumed is what consumers get by the placement's name; zero where nothing.
func (l *line) consumed(ctx context.Context, p *place) (held Observation, err error) {
	err = l.again(ctx, func(ctx context.Context) error {
		held = Observation{}
		for o, err := range p.target.Provider.Look(ctx, Query{Consumer: p.placement.Consumer}) {
			if err != nil {
				return err
			}
			held = o
		}
		return nil
	})
	if err != nil {
		return Observation{}, askedError{fmt.Errorf("look at %s at target %s: %w", p.placement.Consumer, p.target.Name, err)}
	}
	return held, nil
}
