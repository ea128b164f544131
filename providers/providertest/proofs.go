package providertest

import (
	"context"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

func proofChecks() []check {
	return []check{
		{name: "a proof tells other material apart", run: tellsApart},
		{name: "a proof by public key tells other pairs apart", run: tellsPairsApart},
		{name: "a proof by decryption tells other material apart", run: tellsCiphersApart},
		{name: "a proof through a name that is not there is not found", run: throughNothing},
		{name: "a proof through another's name does not pass", run: throughAnother},
		{name: "a level that does not exist is unsupported", run: noSuchLevel},
	}
}

func (h *harness) subject(f filled) broker.ChallengeSubject {
	caps := h.caps()
	return broker.ChallengeSubject{
		Effect: "kf-test", Provider: caps.Provider, Account: h.Account, Ref: f.v, Spec: f.in.Spec, Purpose: f.in.Purpose,
		Level: caps.Specs[f.in.Spec].Proof[f.in.Purpose], PublicKey: f.m.public,
	}
}

// challenge as it goes to the target: where that decrypts, with what the token
// encrypted.
func (h *harness) challenge(f filled) (broker.Challenge, error) {
	c, err := broker.NewChallenge(h.subject(f), h.Now())
	if err == nil && c.Level() == broker.ProofCipher {
		c = c.WithCiphertext(f.m.answer(c).Value)
	}
	return c, err
}

// prove compares both sides by the target's own level.
func (h *harness) prove(ctx context.Context, f filled) error {
	if h.subject(f).Level == broker.ProofAccepted {
		return nil // the broker asks nothing
	}
	c, err := h.challenge(f)
	if err != nil {
		return err
	}
	theirs, err := h.Provider.Prove(ctx, f.v, c)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	return c.Compare(f.m.answer(c), theirs, h.Now())
}

// asked is what asking alone comes to.
func (h *harness) asked(ctx context.Context, f filled) error {
	c, err := h.challenge(f)
	if err != nil {
		return err
	}
	_, err = h.Provider.Prove(ctx, f.v, c)
	return err
}

// refuted compares a key's answer with what other material would answer.
func (h *harness) refuted(ctx context.Context, in broker.PrepareIn) error {
	f, err := h.fill(ctx, in)
	if err != nil {
		return err
	}
	f.m = make1(in.Spec)
	return named(fmt.Sprintf("%s for %s", in.Spec, in.Purpose), h.prove(ctx, f), broker.Differs)
}

func tellsApart(ctx context.Context, h *harness) error { return h.refuted(ctx, h.simple()) }

func tellsPairsApart(ctx context.Context, h *harness) error {
	for _, p := range h.caps().Purposes(broker.ECP384) {
		if err := h.refuted(ctx, h.want(broker.ECP384, p)); err != nil {
			return err
		}
	}
	return nil
}

// tellsCiphersApart: what cannot be decrypted was encrypted by another key. The broker
// then goes on to the next candidate, or to a person.
func tellsCiphersApart(ctx context.Context, h *harness) error {
	c := h.caps()
	for _, s := range []broker.KeySpec{broker.AES256, broker.RSA2048} {
		for _, p := range c.Purposes(s) {
			if p != broker.Decrypt && c.Specs[s].Proof[p] != broker.ProofCipher {
				continue
			}
			if err := h.refuted(ctx, h.want(s, p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nowhere is what consumers could use of a key that is not there.
func (h *harness) nowhere(f filled) string {
	if f.consumer == "" {
		return h.freeConsumer()
	}
	return strings.Replace(f.consumer, f.v.Key.ID, h.Missing.ID, 1)
}

func throughNothing(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	f.v.Via = h.nowhere(f)
	return is(h.asked(ctx, f), broker.NotFound)
}

func throughAnother(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	other, err := h.fill(ctx, h.want(f.in.Spec, f.in.Purpose))
	if err != nil {
		return err
	}
	f.v.Via = other.consumer
	if other.consumer == "" {
		f.v.Via = h.freeConsumer()
		if err := h.do(ctx, other.v, broker.Action{Kind: broker.Activate, Consumer: f.v.Via}); err != nil {
			return err
		}
	}
	if err := h.leadsSomewhere(ctx, f); err != nil {
		return err
	}
	return is(h.prove(ctx, f), broker.Differs)
}

func (h *harness) leadsSomewhere(ctx context.Context, f filled) error {
	return h.eventually(ctx, func() error {
		held, err := h.leads(ctx, f.in, f.v.Via)
		if err == nil && held == "" {
			err = fmt.Errorf("%s leads to nothing", f.v.Via)
		}
		return err
	})
}

func noSuchLevel(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	s := h.subject(f)
	s.Level = "oath"
	c, err := broker.NewChallenge(s, h.Now())
	if err != nil {
		return err
	}
	_, err = h.Provider.Prove(ctx, f.v, c)
	return is(err, broker.Unsupported)
}
