package providertest

import (
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func proofChecks() []check {
	return []check{
		{name: "a proof tells other material apart", run: tellsApart},
		{name: "a proof by public key tells other pairs apart", run: tellsPairsApart},
		{name: "a proof through a name that is not there is not found", run: throughNothing},
		{name: "a proof through another's name does not pass", run: throughAnother},
		{name: "a level that does not exist is unsupported", run: noSuchLevel},
	}
}

// refuted compares a key's answer with what other material would answer.
func (h *harness) refuted(ctx context.Context, in broker.PrepareIn) error {
	v, _, err := h.filled(ctx, in)
	if err != nil {
		return err
	}
	return is(h.prove(ctx, v, make1(in.Spec), in.Purpose), broker.Differs)
}

func tellsApart(ctx context.Context, h *harness) error { return h.refuted(ctx, h.simple()) }

func tellsPairsApart(ctx context.Context, h *harness) error {
	for _, p := range h.Provider.Capabilities().Purposes(broker.ECP384) {
		if err := h.refuted(ctx, want(broker.ECP384, p)); err != nil {
			return fmt.Errorf("for %s: %w", p, err)
		}
	}
	return nil
}

func throughNothing(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	v.Via = h.consumer()
	return is(h.asked(ctx, v, m, in.Purpose), broker.NotFound)
}

func (h *harness) asked(ctx context.Context, v broker.VersionRef, m material, p broker.Purpose) error {
	c, err := h.challenge(v, m, p)
	if err != nil {
		return err
	}
	_, err = h.Provider.Prove(ctx, v, c)
	return err
}

func throughAnother(ctx context.Context, h *harness) error {
	first, _, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	if err := h.eventually(ctx, func() error { return h.leadsTo(ctx, name, first.Key.ID) }); err != nil {
		return err
	}
	v.Via = name
	return is(h.prove(ctx, v, m, in.Purpose), broker.Differs)
}

func noSuchLevel(ctx context.Context, h *harness) error {
	v, in, _, err := h.ready(ctx)
	if err != nil {
		return err
	}
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: v, Level: "oath", Spec: in.Spec, Purpose: in.Purpose}, h.Now())
	if err != nil {
		return err
	}
	_, err = h.Provider.Prove(ctx, v, c)
	return is(err, broker.Unsupported)
}

func timeChecks() []check {
	return []check{
		{name: "material ends at its valid-to, and can be restored", needs: []Need{NeedClock}, run: expires},
		{name: "an import token ends", needs: []Need{NeedClock}, run: tokenEnds},
		{name: "a key is gone after its waiting period", needs: []Need{NeedClock}, run: deleted},
	}
}

func expires(ctx context.Context, h *harness) error {
	if !h.Provider.Capabilities().ValidTo.Native {
		return nil
	}
	in := h.simple()
	m := make1(in.Spec)
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	done, err := h.importing(ctx, key, m, until(h.Now().Add(48*time.Hour).Truncate(time.Second)))
	if err != nil {
		return err
	}
	h.Advance(49 * time.Hour)
	if err := h.state(ctx, key, broker.RemotePending); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &done.Version})
	if err != nil || o.HasMaterial || o.Version != done.Version {
		return fmt.Errorf("material %v in version %v after its end: %w", o.HasMaterial, o.Version, err)
	}
	if err := is(h.asked(ctx, done.Version, m, in.Purpose), broker.Conflict); err != nil {
		return err
	}
	if _, err := h.importing(ctx, key, m, restored(done.Version)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := h.state(ctx, key, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, done.Version, m, in.Purpose)
}

func tokenEnds(ctx context.Context, h *harness) error {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	ready, err := h.wrapped(ctx, key, make1(in.Spec), h.Provider.Capabilities().Specs[in.Spec].Mechanisms[0])
	if err != nil {
		return err
	}
	w, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: ready.Mechanism})
	if err != nil || w.ExpiresAt.IsZero() {
		return err
	}
	h.Advance(w.ExpiresAt.Sub(h.Now()) + time.Minute)
	_, err = h.Provider.Import(ctx, h.effect(broker.StepImport), ready)
	if err := is(err, broker.Expired); err != nil {
		return err
	}
	return h.state(ctx, key, broker.RemotePending)
}

func deleted(ctx context.Context, h *harness) error {
	v, _, name, err := h.two(ctx)
	if err != nil {
		return err
	}
	rule := h.Provider.Capabilities().Deletion
	if err := h.do(ctx, v, broker.Action{Kind: broker.Schedule, Window: rule.Min}); err != nil {
		return err
	}
	h.Advance(rule.Min + time.Hour)
	return h.eventually(ctx, func() error {
		seen, err := h.look(ctx, broker.Query{Key: &v.Key})
		if err == nil && len(seen) > 0 && seen[0].State != broker.RemoteDestroyed {
			err = fmt.Errorf("it is still %s", seen[0].State)
		}
		if err == nil {
			err = h.leadsTo(ctx, name, "")
		}
		return err
	})
}
