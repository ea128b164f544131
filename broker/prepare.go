package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// attempts bounds how often a changing call is made anew after looking showed
// that it had no effect.
const attempts = 3

// prepare makes the provider's empty key, or finds the one an earlier run made.
// Making a key is the call that no cloud makes idempotent: after an unclear answer
// the line looks, lets the target settle, looks again, and only then acts.
func (l *line) prepare(ctx context.Context, p *place) error {
	if p.placement.Version.Key.ID != "" {
		return nil
	}
	if err := l.nameStillFree(ctx, p); err != nil {
		return err
	}
	in, err := l.prepareIn(p)
	if err != nil {
		return err
	}
	rec, known, err := l.intend(ctx, p, StepPrepare, in, map[string]any{"name": in.Name})
	if err != nil {
		return err
	}
	made, err := l.prepared(ctx, p, rec, known)
	if err != nil {
		return fmt.Errorf("prepare at target %s: %w", p.target.Name, err)
	}
	if made.Key.ID == "" {
		return &Error{Kind: Rejected, Op: "prepare a key", Object: "at target " + p.target.Name, Cause: errors.New("the answer names no key")}
	}
	p.placement.Version = VersionRef{Key: made.Key}
	return l.settle(ctx, p, rec, made, map[string]any{"key_ref": made.Key.ID, "key_policy": made.PolicyHash, "receipt": made.Receipt})
}

// prepareIn is the key that is asked for at a place.
func (l *line) prepareIn(p *place) (PrepareIn, error) {
	in := PrepareIn{
		Name: l.key.Name, KeyID: l.key.ID, Number: l.version.Number, Spec: l.key.Spec, Purpose: l.key.Purpose,
		Tags: l.key.Tags, Mode: NewKey, RemoteName: p.placement.Terms.Name, Algorithm: p.placement.Terms.Algorithm,
		Window: p.placement.Terms.Window, At: l.b.o.Now(),
	}
	for _, q := range l.places {
		in.MultiRegion = in.MultiRegion || q.target.ReplicaOf == p.target.Name
		if p.target.ReplicaOf != q.target.Name {
			continue
		}
		if q.placement.Version.Key.ID == "" {
			return PrepareIn{}, misuse("prepare a replica at target "+p.target.Name, "its primary at target "+q.target.Name+" is not there")
		}
		in.Replica = &q.placement.Version.Key
	}
	return in, nil
}

func (l *line) prepared(ctx context.Context, p *place, rec EffectRecord, known bool) (Prepared, error) {
	var in PrepareIn
	if err := json.Unmarshal(rec.Intent, &in); err != nil {
		return Prepared{}, fmt.Errorf("decode intent: %w", err)
	}
	var lost error
	for try := 0; ; try++ {
		if known && !p.caps.PrepareFinds {
			if key, ok, err := l.findPrepared(ctx, p, rec, in); err != nil || ok {
				return Prepared{Key: key}, err
			}
		}
		if try == attempts {
			break
		}
		if lost != nil {
			l.b.o.Log.WarnContext(ctx, "answer lost: prepare again", "operation", l.op.ID, "target", p.target.Name, "error", lost)
		}
		var made Prepared
		err := l.again(ctx, func(ctx context.Context) (err error) {
			made, err = p.target.Provider.Prepare(ctx, rec.Effect, in)
			return err
		})
		if !errors.Is(err, Unclear) {
			return made, err
		}
		known, lost = true, err
	}
	if p.caps.PrepareFinds {
		return Prepared{}, fmt.Errorf("after %d tries: %w", attempts, lost)
	}
	return Prepared{}, &Error{
		Kind: Unavailable, Op: "prepare a key", Object: "at target " + p.target.Name,
		Cause: fmt.Errorf("%d answers were lost, and no key appeared", attempts),
		Hint:  "what appears later is listed by keyferry inventory and never used",
	}
}

// findPrepared looks for what carries the effect's mark: now, and once more after
// the target has settled.
func (l *line) findPrepared(ctx context.Context, p *place, rec EffectRecord, in PrepareIn) (KeyRef, bool, error) {
	for i := range 2 {
		if i > 0 {
			if err := l.wait(ctx, p.caps.Settle); err != nil {
				return KeyRef{}, false, err
			}
		}
		seen, err := l.look(ctx, p, Query{Effect: rec.Effect.ID()})
		if err != nil {
			return KeyRef{}, false, err
		}
		if key, ok, err := adopt(in, rec.At, p.target.Name, seen); ok || err != nil {
			return key, ok, err
		}
	}
	return KeyRef{}, false, nil
}

// look collects what a query yields, asking again after a passing fault.
func (l *line) look(ctx context.Context, p *place, q Query) ([]Observation, error) {
	if err := l.extend(ctx); err != nil {
		return nil, err
	}
	return look(ctx, p.target, q)
}

// lookSettled looks once the target has settled.
func (l *line) lookSettled(ctx context.Context, p *place, q Query) ([]Observation, error) {
	if err := l.wait(ctx, p.caps.Settle); err != nil {
		return nil, err
	}
	return l.look(ctx, p, q)
}

func look(ctx context.Context, t Target, q Query) ([]Observation, error) {
	var seen []Observation
	err := again(ctx, func() error {
		seen = nil
		for o, err := range t.Provider.Look(ctx, q) {
			if err != nil {
				return err
			}
			seen = append(seen, o)
		}
		return nil
	})
	if err != nil {
		return nil, askedError{fmt.Errorf("look at target %s: %w", t.Name, err)}
	}
	return seen, nil
}

// ClockSlack is how far a provider's clock may be from ours; AWS refuses requests
// that are more than five minutes off.
const ClockSlack = 5 * time.Minute

// adopt decides which of the keys that carry an effect's mark is the one we made.
// A mark can be set by others, so it only nominates: the key must be empty, ours
// to fill, exactly as we asked for it, and made after we intended to. Two such
// keys, or a marked one that differs, are for a person. It is pure.
func adopt(in PrepareIn, intended time.Time, target string, seen []Observation) (key KeyRef, ok bool, err error) {
	var ours, others []string
	var both []Sighting
	for _, o := range seen {
		if o.State == RemoteScheduled || o.State == RemoteDestroyed {
			continue // somebody decided about it already
		}
		why := unlike(in, intended, o)
		both = append(both, sighted(target, o, first(why, "it is just as it was asked for")))
		if why != "" {
			others = append(others, fmt.Sprintf("%s (%s)", o.Version.Key.ID, why))
			continue
		}
		ours = append(ours, o.Version.Key.ID)
	}
	switch {
	case len(ours) == 1 && len(others) == 0:
		return KeyRef{ID: ours[0]}, true, nil
	case len(ours) == 0 && len(others) == 0:
		return KeyRef{}, false, nil
	}
	return KeyRef{}, false, &Error{
		Kind: Undecided, Op: "adopt a key", Object: in.Name,
		Cause: fmt.Errorf("%d keys carry this operation's mark: %s", len(ours)+len(others), strings.Join(append(ours, others...), ", ")),
		Hint:  "find out who made them; have the wrong ones deleted (" + removal("ID", "", "--target "+target) + "), or take the mark off them",
		Seen:  both,
	}
}

// unlike says how a marked key differs from the one that was asked for.
func unlike(in PrepareIn, intended time.Time, o Observation) string {
	switch {
	case o.HasMaterial:
		return "it has material already"
	case o.CreatedAt.Before(intended.Add(-ClockSlack)):
		return "it was made before the operation began"
	case !o.PolicyMatch:
		return "its key policy is not the one that was sent"
	default:
		return unlikeKey(in, o)
	}
}

// unlikeKey says how a key differs from the one that was asked for, whatever it
// holds by now.
func unlikeKey(in PrepareIn, o Observation) string {
	switch {
	case o.Origin != OriginExternal:
		return "its origin is " + string(o.Origin)
	case o.Spec != in.Spec:
		return "its spec is " + string(o.Spec)
	case o.Purpose != in.Purpose:
		return "its purpose is " + string(o.Purpose)
	default:
		return ""
	}
}
