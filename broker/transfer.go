package broker

import (
	"context"
	"errors"
	"fmt"
)

// importIntent is what is on record before material is sent.
type importIntent struct {
	Mechanism   Mechanism  `json:"mechanism"`
	Way         Way        `json:"way"`
	Fingerprint string     `json:"fingerprint"`
	ValidTo     string     `json:"valid_to,omitempty"`
	Kind        ImportKind `json:"kind"`
	// Before are the versions that the key had, where a new one carries no mark.
	Before []string `json:"before,omitempty"`
	Source string   `json:"source,omitempty"` // what it was first sent under
}

// transfer takes material into the provider's key: fetch, wrap, import.
func (l *line) transfer(ctx context.Context, p *place) error {
	if p.placement.Step != PlacementIntended {
		return nil
	}
	in, err := l.importIn(p)
	if err != nil {
		return err
	}
	rec, done, err := l.send(ctx, p, StepImport, in)
	if err != nil {
		return fmt.Errorf("import at target %s: %w", p.target.Name, err)
	}
	p.placement.Version, p.placement.Consumer = done.Version, first(done.Consumer, p.placement.Consumer)
	p.placement.Step, p.placement.Terms.Effect = PlacementStaged, rec.Effect.ID()
	p.placement.ImportedAt = l.b.o.Now()
	return l.settle(ctx, p, rec, done, map[string]any{"version_ref": done.Version, "receipt": done.Receipt})
}

// importIn is the import of a version that a place has not seen.
func (l *line) importIn(p *place) (ImportIn, error) {
	of, err := l.prepareIn(p)
	return ImportIn{
		Key: p.placement.Version.Key, Kind: ImportNew, Spec: l.key.Spec, ValidTo: p.placement.ValidTo,
		ValidFrom: p.placement.Terms.ValidFrom, Of: of,
	}, err
}

// keyStands looks at the key that material is about to go into: it is still as it
// was asked for, so whoever may use it was decided by us. What holds material
// already may have got another key policy in the meantime, by its owner.
func (l *line) keyStands(ctx context.Context, p *place, in ImportIn) error {
	return eventually(ctx, p.caps.Settle, p.caps.Poll, func() (bool, error) {
		seen, err := l.look(ctx, p, Query{Key: &in.Key})
		if err != nil {
			return true, err
		}
		why := "it is not there"
		switch {
		case len(seen) > 0:
			why = l.changed(p, seen[0], in.Kind)
		case p.caps.ImportMakesKey && in.Kind == ImportNew:
			why = "" // it comes to be with its first import
		}
		if why == "" {
			return true, nil
		}
		hint, err := l.orNewer(ctx, seen, "nothing was wrapped for it; find out who changed it, and let it be as it was")
		if err != nil {
			return true, err
		}
		return len(seen) > 0, &Error{
			Kind: Undecided, Op: "send material into", Object: in.Key.ID, Cause: errors.New(why), Hint: hint, Seen: p.keySighted(in.Key, seen, why),
		}
	})
}

// changed says how a key is no longer as it was asked for.
func (l *line) changed(p *place, o Observation, kind ImportKind) string {
	if why := unlikeKey(PrepareIn{Spec: l.key.Spec, Purpose: l.key.Purpose}, o); why != "" {
		return why
	}
	switch {
	case o.KeyID != "" && o.KeyID != l.key.ID:
		return fmt.Sprintf("it is marked as the key with id %q", o.KeyID)
	case o.KeyID == "" && o.Name != l.key.Name:
		return fmt.Sprintf("it is marked as key %q", o.Name)
	case kind == ImportNew && p.caps.ImportMakesKey && l.version.Number == 1:
		return "it has a version already"
	case kind == ImportNew && !o.PolicyMatch:
		return "its key policy is not the one that was sent"
	default:
		return ""
	}
}

// send wraps the material under a fresh wrapping key and imports it, and repeats
// that where repeating cannot make a second version.
func (l *line) send(ctx context.Context, p *place, step Step, in ImportIn) (EffectRecord, Imported, error) {
	if rec, ok := l.effects[l.effect(p, step).ID()]; ok && p.ready == nil { // an earlier run may have sent it
		if done, found, err := l.recovered(ctx, p, rec, in); err != nil || found {
			return rec, done, err
		}
	}
	if err := l.plan(ctx, p); err != nil {
		return EffectRecord{}, Imported{}, err
	}
	var last error
	for range attempts {
		if last != nil {
			l.b.o.Log.WarnContext(ctx, "import again with a new wrapping key", "operation", l.op.ID, "target", p.target.Name, "error", last)
		}
		if err := l.keyStands(ctx, p, in); err != nil {
			return EffectRecord{}, Imported{}, err
		}
		rec, wrapped, err := l.takeReady(ctx, p, step, in)
		if err != nil {
			return EffectRecord{}, Imported{}, err
		}
		in.Mechanism, in.Wrapped, in.Token = p.plan.Mechanism, wrapped.material, wrapped.token
		var done Imported
		err = l.again(ctx, func(ctx context.Context) (err error) {
			done, err = p.target.Provider.Import(ctx, rec.Effect, in)
			return err
		})
		last = err
		switch {
		case err == nil && done.Version.Key != in.Key:
			return rec, Imported{}, &Error{
				Kind: Tampered, Op: "import into", Object: in.Key.ID, Cause: fmt.Errorf("the answer names %s", done.Version.Key.ID),
			}
		case err == nil:
			return rec, done, nil
		case errors.Is(err, Unclear):
			done, found, err := l.recovered(ctx, p, rec, in)
			if err != nil || found {
				return rec, done, err
			}
		case errors.Is(err, Expired) && ctx.Err() == nil: // a new one is fetched
		default:
			return rec, Imported{}, err
		}
	}
	return EffectRecord{}, Imported{}, fmt.Errorf("after %d tries: %w", attempts, last)
}

// repeats: sending the same material again has the same result.
func (l *line) repeats(p *place, in ImportIn) bool {
	first := l.version.Number == 1 || !p.spec.SecondVersion // material of its key
	return in.Kind != ImportNew || p.spec.ImportRepeats && first
}

// undecidedImport: whatever a person finds there, no look of ours would tell it later
// from an import that arrives by itself. So there is nothing to be done but to take it back.
func (l *line) undecidedImport(ctx context.Context, p *place, key KeyRef) error {
	seen, err := l.look(ctx, p, Query{Key: &key})
	if err != nil {
		return err
	}
	return &Error{
		Kind: Undecided, Op: "import", Object: "key " + l.key.Name + " at target " + p.target.Name,
		Cause: errors.New("an import's answer was lost, sending it again could make a second version, and the target tells nothing to find it by"),
		Seen:  p.keySighted(key, seen, "an import into it was sent"),
	}
}

// wrappedMaterial goes to the provider with the import token it was made for.
type wrappedMaterial struct {
	material, token []byte
}

// wrapped fetches a wrapping key, checks it, puts its fingerprint on record, and
// has the token wrap the material under it. The key never leaves this process,
// and nothing else is wrapped under it.
func (l *line) wrapped(ctx context.Context, p *place, step Step, in ImportIn) (EffectRecord, wrappedMaterial, error) {
	key, err := l.fetchWrappingKey(ctx, p, l.effect(p, step), in.Key)
	if err != nil {
		return EffectRecord{}, wrappedMaterial{}, fmt.Errorf("fetch wrapping key: %w", err)
	}
	checked, err := CheckWrappingKey(key, p.plan, p.target.WrappingKey, l.b.o.Now())
	if err != nil {
		return EffectRecord{}, wrappedMaterial{}, err
	}
	p.placement.Transport = Transport{
		Mechanism: p.plan.Mechanism, Way: p.plan.Way, Strength: checked.Strength(), Fingerprint: checked.Fingerprint(),
		Attestation: key.attested(),
	}
	if err := l.trusts(ctx, p, key, checked); err != nil {
		return EffectRecord{}, wrappedMaterial{}, err
	}
	rec, err := l.intendImport(ctx, p, step, in, key)
	if err != nil {
		return EffectRecord{}, wrappedMaterial{}, err
	}
	if err := l.copy(ctx); err != nil {
		return EffectRecord{}, wrappedMaterial{}, err
	}
	material, err := l.setup.Token.Wrap(ctx, l.version.Material, checked)
	if err != nil {
		return EffectRecord{}, wrappedMaterial{}, fmt.Errorf("wrap %s: %w", l.version.Material, err)
	}
	return rec, wrappedMaterial{material: material, token: key.Token}, nil
}

// intendImport records the import and the wrapping key it will use, before
// anything is wrapped: the first time as the effect's intent, later as one more
// fetch for the same effect.
func (l *line) intendImport(ctx context.Context, p *place, step Step, in ImportIn, key WrappingKey) (EffectRecord, error) {
	t := p.placement.Transport
	details := map[string]any{
		"mechanism": t.Mechanism, "way": t.Way, "strength": t.Strength, "wrapping_key": t.Fingerprint,
		"wrapping_key_source": key.Source, "wrapping_key_expires": key.ExpiresAt, "receipt": key.Receipt, "kind": in.Kind,
	}
	intent := importIntent{Mechanism: t.Mechanism, Way: t.Way, Fingerprint: t.Fingerprint, Kind: in.Kind}
	if !in.ValidTo.IsZero() {
		intent.ValidTo = stamp(in.ValidTo)
	}
	if len(key.Attestation) > 0 {
		details = with(details, "attestation", key.Attestation)
	}
	before, err := l.versionsBefore(ctx, p, step, in)
	if err != nil {
		return EffectRecord{}, err
	}
	intent.Before, intent.Source = before, key.Source
	p.sources = append(p.sources, key.Source)
	rec, known, err := l.intend(ctx, p, step, intent, details)
	if err != nil || !known {
		return rec, err
	}
	_, err = l.apply(ctx, "wrapping-key.fetched", p, Change{}, with(details, "effect", rec.Effect.ID()))
	return rec, err
}

// versionsBefore are those that a key has when an import into it is first intended,
// where a new one will carry no mark.
func (l *line) versionsBefore(ctx context.Context, p *place, step Step, in ImportIn) ([]string, error) {
	_, intended := l.effects[l.effect(p, step).ID()]
	if intended || !p.caps.ImportLists || in.Kind != ImportNew {
		return nil, nil
	}
	seen, err := l.look(ctx, p, Query{Versions: &in.Key})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(seen))
	for _, o := range seen {
		ids = append(ids, o.Version.ID)
	}
	return ids, nil
}
