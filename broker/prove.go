package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// prove shows that the target holds the same material. A proof that fails makes
// the version unusable: it is never activated, and kept for inquiry.
func (l *line) prove(ctx context.Context, p *place) error {
	if p.placement.Step != PlacementStaged {
		return nil
	}
	if err := l.shown(ctx, p); err != nil {
		return err
	}
	if err := l.arrived(ctx, p); errors.Is(err, errImportFailed) {
		return l.failImport(ctx, p, err)
	} else if err != nil {
		return fmt.Errorf("see the import at target %s: %w", p.target.Name, err)
	}
	proof, evidence, err := l.proof(ctx, p)
	if errors.Is(err, Differs) {
		return l.failProof(ctx, p, proof.Level, err, evidence)
	}
	if err != nil {
		return fmt.Errorf("prove at target %s: %w", p.target.Name, err)
	}
	proof.At = l.b.o.Now()
	p.placement.Proof, p.placement.Step = proof, PlacementProven
	_, err = l.apply(ctx, "proof.proven", p, Change{Placements: []Placement{p.placement}, Soft: true}, with(evidence, "level", proof.Level))
	return err
}

// failImport puts on record that a target accepted an import and could not finish it:
// the version there is spent.
func (l *line) failImport(ctx context.Context, p *place, cause error) error {
	p.placement.Step, p.placement.Proof.Detail = PlacementFailed, printable(cause.Error())
	_, err := l.apply(ctx, "import.failed-there", p, Change{Placements: []Placement{p.placement}}, map[string]any{"problem": p.placement.Proof.Detail})
	return errors.Join(fmt.Errorf("import at target %s: %w", p.target.Name, cause), err)
}

// failProof puts on record that a target holds other material: the placement is
// unusable and the version suspended.
func (l *line) failProof(ctx context.Context, p *place, level ProofLevel, cause error, evidence map[string]any) error {
	p.placement.Step = PlacementFailed
	p.placement.Proof.Level, p.placement.Proof.At = level, l.b.o.Now()
	p.placement.Proof.Failed, p.placement.Proof.Detail = true, printable(cause.Error())
	l.version.State = Suspended
	change := Change{Version: &l.version, Placements: []Placement{p.placement}}
	if _, err := l.apply(ctx, "proof.failed", p, change, with(with(evidence, "level", level), "problem", p.placement.Proof.Detail)); err != nil {
		return errors.Join(cause, err)
	}
	return &Error{
		Kind: Differs, Op: "prove", Object: fmt.Sprintf("key %s at target %s", l.key.Name, p.target.Name), Cause: cause,
		Changed: l.leftBehind() + "; the version is suspended and will never be activated",
		Hint:    "the target holds other material than the token: find out whose, before anything else; keyferry operation list --key " + l.key.Name + " names its import, and keyferry operation abort takes that back",
	}
}

// proof performs the strongest proof there is. evidence is its transcript.
func (l *line) proof(ctx context.Context, p *place) (Proof, map[string]any, error) {
	level, detail := l.proofLevel(p)
	proof := Proof{Level: level, Detail: detail}
	switch level {
	case ProofReimport:
		return l.reimport(ctx, p, proof)
	case ProofAccepted:
		return proof, map[string]any{"reason": detail}, nil
	default:
	}
	answer, evidence, err := l.challenge(ctx, p, p.placement.Version, level)
	if err == nil {
		proof.Detail = first(p.weaker(level), answer.Reason)
	}
	return proof, evidence, err
}

// weaker says why a proof by public key showed no possession.
func (p *place) weaker(level ProofLevel) string {
	if level != ProofPublicKey || p.asleep == "" {
		return ""
	}
	return "the public key alone: " + p.asleep
}

// proofLevel is the strongest level at the place, and why it is no stronger.
func (l *line) proofLevel(p *place) (ProofLevel, string) {
	return levelAt(p.target, p.caps, p.enrolled, l.key)
}

func levelAt(t Target, caps Capabilities, enrolled Enrolment, k Key) (ProofLevel, string) {
	level := caps.Specs[k.Spec].Proof[k.Purpose]
	switch {
	case level == "", level == ProofAccepted:
		return ProofAccepted, caps.Service + " offers no way to compare such keys"
	case level != ProofReimport || t.Genuine:
		return level, ""
	case enrolled.Findings[FindingReimport] == RefusesOther:
		return level, ""
	default:
		return ProofAccepted, "importing again proves nothing at this endpoint: " + first(enrolled.Findings[FindingReimport], "it was not tested whether it refuses other material")
	}
}

// challenge asks both sides and compares. The version may be addressed through
// what consumers use.
func (l *line) challenge(ctx context.Context, p *place, v VersionRef, level ProofLevel) (Answer, map[string]any, error) {
	c, err := NewChallenge(l.subject(p, v, level), l.b.o.Now())
	if err != nil {
		return Answer{}, nil, err
	}
	mine, err := l.tokenAnswer(ctx, c)
	if err != nil {
		return Answer{}, nil, err
	}
	if level == ProofCipher {
		c = c.WithCiphertext(mine.Value)
	}
	var theirs Answer
	err = l.again(ctx, func(ctx context.Context) (err error) { theirs, err = p.target.Provider.Prove(ctx, v, c); return err })
	if err != nil {
		return Answer{}, nil, askedError{fmt.Errorf("ask the target: %w", err)}
	}
	return theirs, transcript(c, theirs), c.Compare(mine, theirs, l.b.o.Now())
}

func (l *line) subject(p *place, v VersionRef, level ProofLevel) ChallengeSubject {
	return ChallengeSubject{
		Effect: l.effect(p, StepImport).ID(), Provider: p.caps.Provider, Account: p.target.Pins[PinAccount], Ref: v,
		Level: level, Spec: l.key.Spec, Purpose: l.key.Purpose, PublicKey: l.version.Material.PublicKey,
		PublicOnly: level == ProofPublicKey && p.asleep != "",
	}
}

// tokenAnswer is the token's side. What the token holds of a pair must be what is
// on record; a copy that was destroyed is answered for by the record.
func (l *line) tokenAnswer(ctx context.Context, c Challenge) (Answer, error) {
	onRecord := Answer{PublicKey: l.version.Material.PublicKey}
	if c.Level() == ProofReimport || l.version.Material.Ended == Destroy {
		return onRecord, nil
	}
	if err := l.copy(ctx); err != nil {
		return Answer{}, err
	}
	a, err := l.setup.Token.Answer(ctx, l.version.Material, c)
	if err != nil {
		return Answer{}, fmt.Errorf("ask the token: %w", err)
	}
	if c.Level() == ProofPublicKey && same("public key", onRecord.PublicKey, a.PublicKey) != nil {
		return Answer{}, &Error{
			Kind: Undecided, Op: "ask the token for", Object: l.version.Material.String(),
			Cause: errors.New("its public key is not the one on record"), Hint: "find out who changed the token, and restore it from its backup",
			Seen: []Sighting{{Ref: string(l.version.Material.ID), Why: fmt.Sprintf(
				"the SHA-256 of its public key is %s, on record is %s", fingerprint(a.PublicKey), l.version.Material.CheckValue())}},
		}
	}
	return a, nil
}

// transcript is what the audit keeps of a proof: enough to repeat the comparison
// of public values, and nothing that could be used for anything else.
func transcript(c Challenge, theirs Answer) map[string]any {
	t := map[string]any{"challenge": fmt.Sprintf("%x", c.Message()), "scheme": theirs.Scheme, "receipt": theirs.Receipt}
	if len(theirs.PublicKey) > 0 {
		t["public_key"] = fmt.Sprintf("%x", theirs.PublicKey)
	}
	switch c.Level() {
	case ProofPublicKey:
		if c.Purpose() == Sign {
			t["signature"] = fmt.Sprintf("%x", theirs.Value)
		}
	case ProofMAC, ProofCipher:
		t["answer"] = fmt.Sprintf("%x", theirs.Value)
	case ProofReimport:
		t["version"] = theirs.Version
	default:
	}
	if theirs.Reason != "" {
		t["reason"] = theirs.Reason
	}
	return t
}

// reimport wraps the same handle again and imports it as existing material: a
// target that refuses other material, and takes this, holds the same. It is a
// write, so it happens once a version.
func (l *line) reimport(ctx context.Context, p *place, proof Proof) (Proof, map[string]any, error) {
	done, err := l.reimported(ctx, p)
	if err != nil {
		return proof, map[string]any{"error": err.Error()}, err
	}
	evidence := map[string]any{"version": done.Version.ID, "receipt": done.Receipt}
	if v := p.placement.Version; done.Version.ID != v.ID {
		err = &Error{
			Kind: Differs, Op: "import again", Object: v.Key.ID,
			Cause: fmt.Errorf("the target answered with material %s, it was %s", done.Version.ID, v.ID),
		}
	}
	return proof, evidence, err
}

// reimported is the target's answer to the import that is a proof: the one on
// record, or a new one.
func (l *line) reimported(ctx context.Context, p *place) (done Imported, err error) {
	if rec, ok := l.effects[l.effect(p, StepReimport).ID()]; ok && rec.Done() {
		if err := json.Unmarshal(rec.Result, &done); err != nil {
			return Imported{}, fmt.Errorf("decode result of %s: %w", StepReimport, err)
		}
		return done, nil
	}
	v := p.placement.Version
	in := ImportIn{Key: v.Key, Kind: ImportExisting, Version: &v, Spec: l.key.Spec, ValidTo: p.placement.ValidTo}
	rec, done, err := l.send(ctx, p, StepReimport, in)
	if err != nil {
		return Imported{}, err
	}
	return done, l.settle(ctx, p, rec, done, map[string]any{"version": done.Version.ID, "receipt": done.Receipt})
}
