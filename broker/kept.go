package broker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// keptPerPlacement is how many later checks a destroyed token copy leaves behind.
const keptPerPlacement = 8

// keepChallenges has the token answer challenges for later checks, before its
// copy is destroyed.
func (l *line) keepChallenges(ctx context.Context, places []*place) error {
	for _, p := range places {
		level := p.placement.Proof.Level
		if level != ProofMAC && level != ProofCipher || len(p.placement.Proof.Kept) > 0 {
			continue
		}
		for range keptPerPlacement {
			kept, err := l.keepOne(ctx, p, level)
			if err != nil {
				return fmt.Errorf("keep a challenge for later: %w", err)
			}
			p.placement.Proof.Kept = append(p.placement.Proof.Kept, kept)
		}
		_, err := l.apply(ctx, "challenges.kept", p, Change{Placements: []Placement{p.placement}}, map[string]any{"number": keptPerPlacement})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *line) keepOne(ctx context.Context, p *place, level ProofLevel) (KeptChallenge, error) {
	c, err := NewChallenge(l.subject(p, p.placement.Version, level), l.b.o.Now())
	if err != nil {
		return KeptChallenge{}, err
	}
	mine, err := l.tokenAnswer(ctx, c)
	if err != nil {
		return KeptChallenge{}, err
	}
	kept := KeptChallenge{Message: c.message}
	right := mine.Value
	if level == ProofCipher {
		kept.Ciphertext, right = mine.Value, c.message
	}
	sum := sha256.Sum256(right)
	kept.Answer = sum[:]
	return kept, nil
}

// challengeKept spends one kept challenge: it is off the record before it is
// used, so it is never used twice.
func (l *line) challengeKept(ctx context.Context, p *place) error {
	kept := p.placement.Proof.Kept
	if len(kept) == 0 {
		return fmt.Errorf("the token's copy was destroyed and all kept challenges are used up: %w", Unsupported)
	}
	p.placement.Proof.Kept = kept[1:]
	change := Change{Placements: []Placement{p.placement}}
	if _, err := l.apply(ctx, "challenge.spent", p, change, map[string]any{"left": len(kept) - 1}); err != nil {
		return err
	}
	c := Challenge{
		subject: l.subject(p, p.placement.Version, p.placement.Proof.Level), madeAt: l.b.o.Now(),
		message: kept[0].Message, ciphertext: kept[0].Ciphertext,
	}
	var theirs Answer
	err := l.again(ctx, func(ctx context.Context) (err error) {
		theirs, err = p.target.Provider.Prove(ctx, p.placement.Version, c)
		return err
	})
	if err != nil {
		return askedError{fmt.Errorf("ask the target: %w", err)}
	}
	sum := sha256.Sum256(theirs.Value)
	if same("answer", kept[0].Answer, sum[:]) != nil {
		return &Error{Kind: Differs, Op: "compare answers of", Object: p.placement.Version.Key.ID, Cause: errors.New("the answer to a kept challenge differs")}
	}
	return nil
}
