package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// withheldChecks are about versions that consumers get without being given them: they
// name the version, or get the newest.
func withheldChecks() []check {
	return []check{
		{name: "consumers who name a version get just that", when: gives(broker.GivenVersion), run: namesVersion},
		{name: "consumers get the newest version", when: gives(broker.GivenNewest), run: getsNewest},
		{name: "a disabled version is still what consumers get", when: withholds, run: staysWithheld},
		{name: "a disabled version shows its public key, and is not used", when: withholds, run: showsPublic},
		{name: "a version shows its public key before its time, and is not used", when: both(withholds, begins), needs: []Need{NeedClock}, run: beginsLater},
	}
}

func namesVersion(ctx context.Context, h *harness) error {
	first, second, err := h.pair(ctx, h.giving(broker.GivenVersion))
	if err != nil {
		return err
	}
	if first.consumer == second.consumer || first.consumer == "" {
		return fmt.Errorf("consumers are told to use %q, then %q", first.consumer, second.consumer)
	}
	for _, f := range []filled{first, second} {
		if err := h.leadsTo(ctx, f.in, f.consumer, f.v.ID); err != nil {
			return err
		}
		f.v.Via = f.consumer
		if err := h.prove(ctx, f); err != nil {
			return fmt.Errorf("through %s: %w", f.consumer, err)
		}
	}
	return nil
}

func getsNewest(ctx context.Context, h *harness) error {
	first, err := h.fill(ctx, h.giving(broker.GivenNewest))
	if err != nil {
		return err
	}
	if err := h.leadsTo(ctx, first.in, first.consumer, first.v.ID); err != nil {
		return err
	}
	second, err := h.next(ctx, first)
	if err != nil {
		return err
	}
	if err := h.leadsTo(ctx, first.in, first.consumer, second.v.ID); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Key: &first.v.Key})
	if err != nil || o.Version != second.v || first.consumer != second.consumer {
		return fmt.Errorf("the key is seen with version %s, consumers use %q, then %q: %w", o.Version.ID, first.consumer, second.consumer, err)
	}
	second.v.Via = second.consumer
	return h.prove(ctx, second)
}

// held is a pair that is withheld.
func (h *harness) held() broker.PrepareIn {
	in, _ := h.picked(withheldPair(h.caps()))
	return in
}

func staysWithheld(ctx context.Context, h *harness) error {
	f, err := h.fill(ctx, h.held())
	if err != nil {
		return err
	}
	if err := h.disabled(ctx, f); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Consumer: f.consumer})
	if err != nil || o.Version != f.v || o.State != broker.RemoteDisabled {
		return fmt.Errorf("consumers get %s, %s: %w", o.Version.ID, o.State, err)
	}
	f.v.Via = f.consumer
	return named("prove through what consumers use", h.asked(ctx, f), broker.Conflict)
}

// public asks for the public key alone.
func (h *harness) public(ctx context.Context, f filled) error {
	s := h.subject(f)
	s.PublicOnly = true
	c, err := broker.NewChallenge(s, h.Now())
	if err != nil {
		return err
	}
	answer, err := h.Provider.Prove(ctx, f.v, c)
	switch {
	case err != nil:
		return fmt.Errorf("show public key: %w", err)
	case !bytes.Equal(answer.PublicKey, f.m.public):
		return errors.New("it shows another public key")
	case len(answer.Value) > 0:
		return errors.New("its private key was used")
	default:
		return c.Compare(f.m.answer(c), answer, h.Now())
	}
}

func showsPublic(ctx context.Context, h *harness) error {
	f, err := h.fill(ctx, h.held())
	if err != nil {
		return err
	}
	if err := h.public(ctx, f); err != nil {
		return fmt.Errorf("enabled: %w", err)
	}
	if err := h.disabled(ctx, f); err != nil {
		return err
	}
	if err := h.public(ctx, f); err != nil {
		return fmt.Errorf("disabled: %w", err)
	}
	if err := named("prove while disabled", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	return h.enabled(ctx, f)
}

func beginsLater(ctx context.Context, h *harness) error {
	c := h.caps()
	in, ok := h.picked(func(s broker.KeySpec, p broker.Purpose) bool { return p == broker.Sign && withheldPair(c)(s, p) })
	if !ok {
		return nil
	}
	begin := h.Now().UTC().Add(48 * time.Hour).Truncate(time.Second)
	f, err := h.fill(ctx, in, from(begin))
	if err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err != nil || !o.ValidFrom.Equal(begin) {
		return fmt.Errorf("valid from %s, not %s: %w", o.ValidFrom, begin, err)
	}
	if err := h.public(ctx, f); err != nil {
		return err
	}
	if err := named("prove before its time", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	h.Advance(49 * time.Hour)
	return h.eventually(ctx, func() error { return h.prove(ctx, f) })
}
