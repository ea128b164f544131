package broker

import (
	"context"
	"errors"
	"fmt"
)

const (
	// materialGenerated is the event that tells that the token made material.
	materialGenerated = "material.generated"
	// keptUnder names its keeper key there, where it is kept wrapped.
	keptUnder = "kept_under"
)

// generate makes the material of the version in the token, once: a resumed line
// takes what it finds there, if it is whole.
func (l *line) generate(ctx context.Context) error {
	if l.version.Material.ID != "" {
		return l.materialStands(ctx)
	}
	in := GenerateIn{
		ID: l.version.MaterialID(), Label: l.label(),
		Spec: l.key.Spec, Usage: l.usage(), MayExist: l.resumed,
		Sole: func() bool { return !l.resumed && l.b.o.Now().Before(l.lease.Until) },
	}
	switch {
	case l.op.Params.Object != "":
		return l.adopt(ctx, in)
	case l.version.Retain == RetainWrapped:
		return l.generateKept(ctx, in)
	}
	m, err := l.setup.Token.Generate(ctx, in)
	if l.resumed && errors.Is(err, Conflict) {
		m, err = l.generateAfresh(ctx, in)
	}
	if err != nil {
		return fmt.Errorf("generate material %s: %w", in.ID, err)
	}
	return l.born(ctx, materialGenerated, in, m)
}

// label of material in the token, for people.
func (l *line) label() string { return fmt.Sprintf("%s v%d", l.key.Name, l.version.Number) }

// born puts material on record, with all that the token says of it.
func (l *line) born(ctx context.Context, event string, in GenerateIn, m Material) error {
	info, err := l.setup.Token.Info(ctx)
	if err != nil {
		return fmt.Errorf("describe token %s: %w", l.setup.Name, err)
	}
	l.version.Material = m
	details := map[string]any{
		"material": m.ID, "spec": m.Spec, "attributes": m.Attributes, "token": info, "kcv": fmt.Sprintf("%x", m.KCV),
		"usage": in.Usage, "check_value": m.CheckValue(),
	}
	if l.kept != nil {
		details[keptUnder] = l.kept.Keeper
	}
	_, err = l.apply(ctx, event, nil, Change{Version: &l.version, Retained: l.kept, Soft: true}, details)
	return err
}

// CheckValue of a pair is SHA-256, hex, over its public key's SubjectPublicKeyInfo; for
// secrets there is none that identifies, and it is "".
func (m Material) CheckValue() string {
	if len(m.PublicKey) == 0 {
		return ""
	}
	return fingerprint(m.PublicKey)
}

// generateAfresh: half a pair, or two objects, left by a run that was killed
// before anything was imported are of no use to anybody.
func (l *line) generateAfresh(ctx context.Context, in GenerateIn) (Material, error) {
	if _, err := l.apply(ctx, "material.discarded", nil, Change{}, map[string]any{"material": in.ID}); err != nil {
		return Material{}, err
	}
	err := l.setup.Token.Change(ctx, Material{ID: in.ID, Spec: in.Spec}, DiscardUnborn)
	if err != nil && !errors.Is(err, Conflict) { // whole by now: somebody else made it, and it is taken
		return Material{}, fmt.Errorf("discard incomplete material: %w", err)
	}
	return l.setup.Token.Generate(ctx, in)
}

// usage is what the proofs at all targets need of the token's copy.
func (l *line) usage() Usage {
	u := Usage{Modifiable: l.version.Retain == RetainSealed, Trusted: l.trusted()}
	for _, p := range l.places {
		switch p.spec.Proof[l.key.Purpose] {
		case ProofMAC:
			u.MAC = true
		case ProofCipher:
			u.Encrypt = true
		default: // the other levels ask nothing of the token's copy
		}
	}
	return u
}

// materialStands looks, when resuming, whether the token still holds exactly what
// is on record. Anything else after an import was intended is for a person.
func (l *line) materialStands(ctx context.Context) error {
	if !l.resumed || l.allProven() {
		return nil
	}
	if l.version.Retain == RetainWrapped {
		return l.copy(ctx)
	}
	want := map[string]int{"secret": 1}
	if !l.key.Spec.Secret() {
		want = map[string]int{"private": 1, "public": 1}
	}
	have, seen := map[string]int{}, []Sighting{}
	for o, err := range l.setup.Token.Objects(ctx, ObjectQuery{ID: l.version.Material.ID}) {
		if err != nil {
			return fmt.Errorf("look for material %s in token %s: %w", l.version.Material.ID, l.setup.Name, err)
		}
		have[o.Class]++
		seen = append(seen, Sighting{Ref: string(o.ID), Why: "an object of it, " + o.Class, Object: &o})
	}
	if len(seen) == 0 {
		seen = []Sighting{{Ref: string(l.version.Material.ID), Why: "no object of it is in the token"}}
	}
	for class, n := range want {
		if have[class] != n {
			return &Error{
				Kind: Undecided, Op: "resume", Object: l.version.Material.String(),
				Cause: fmt.Errorf("the token holds %d %s objects of that id, not %d", have[class], class, n),
				Hint:  "restore the token from its backup", Seen: seen,
			}
		}
	}
	return nil
}

func (l *line) allProven() bool {
	for _, p := range l.places {
		if p.placement.Step != PlacementProven && p.placement.Step != PlacementActive {
			return false
		}
	}
	return true
}
