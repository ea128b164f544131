package providertest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func keptChecks() []check {
	return []check{
		{name: "each wrapping key that is made is another", when: keepsWrapping, run: madeApart},
		{name: "a wrapping key that lasts serves the next import too", when: wrappingLasts, run: lastsOn},
		{name: "a kept wrapping key is fetched as it was made", when: keepsWrapping, run: fetchedAsMade},
		{name: "a kept wrapping key that is not there is not found", when: keepsWrapping, run: keptMissing},
		{name: "a kept wrapping key ends", when: keepsWrapping, needs: []Need{NeedClock}, run: keptEnds},
		{name: "a kept wrapping key outside its time, or disabled, is not used", when: keepsWrapping, needs: []Need{NeedPlantKey}, run: keptUnusable},
		{name: "a kept wrapping key that may do more than import is refused", when: keepsWrapping, needs: []Need{NeedPlantKey}, run: keptWider},
		{name: "a wrapping key of somebody else's is never fetched unasked", when: keepsWrapping, needs: []Need{NeedPlantKey}, run: keptUnasked},
		{name: "a kept wrapping key of another account is tampering", when: keepsWrapping, needs: []Need{NeedForeign}, run: keptForeign},
	}
}

// kept asks for the one of a ref; "" has one made.
func (h *harness) keptKey(ctx context.Context, ref string) (broker.WrappingKey, error) {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	return h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: h.mechanism(), Kept: ref})
}

// mechanism is the first of the simple spec.
func (h *harness) mechanism() broker.Mechanism { return h.caps().Specs[h.simple().Spec].Mechanisms[0] }

// goodKept demands what the broker needs of a wrapping key that is kept.
func (h *harness) goodKept(w broker.WrappingKey) error {
	plan := broker.Plan{Mechanism: h.mechanism(), Works: true, Conforming: true}
	if _, err := broker.CheckWrappingKey(w, plan, broker.WrappingKeyPolicy{}, h.Now()); err != nil {
		return err
	}
	if w.Ref == "" || w.Source == "" || w.SingleUse || w.Receipt.RequestID == "" {
		return fmt.Errorf("ref %q, source %q, single use %v, receipt %+v", w.Ref, w.Source, w.SingleUse, w.Receipt)
	}
	return nil
}

func madeApart(ctx context.Context, h *harness) error {
	var refs []string
	for range 2 {
		w, err := h.keptKey(ctx, "")
		if err == nil {
			err = h.goodKept(w)
		}
		if err != nil {
			return err
		}
		refs = append(refs, w.Ref)
	}
	if refs[0] == refs[1] {
		return fmt.Errorf("both are %s", refs[0])
	}
	return nil
}

// lastsOn: time passes between two imports, in which somebody can look at the key.
func lastsOn(ctx context.Context, h *harness) error {
	first, err := h.keptKey(ctx, "")
	if err != nil {
		return err
	}
	next, err := h.keptKey(ctx, first.Ref)
	if err == nil && (next.SingleUse || !bytes.Equal(next.PublicKey, first.PublicKey)) {
		err = fmt.Errorf("%s, and then %s, single use %v", first.Source, next.Source, next.SingleUse)
	}
	return err
}

func fetchedAsMade(ctx context.Context, h *harness) error {
	made, err := h.keptKey(ctx, "")
	if err != nil {
		return err
	}
	if _, err := h.keptKey(ctx, ""); err != nil { // a later one changes nothing
		return err
	}
	got, err := h.keptKey(ctx, made.Ref)
	if err == nil {
		err = h.goodKept(got)
	}
	if err != nil {
		return err
	}
	if got.Ref != made.Ref || !bytes.Equal(got.PublicKey, made.PublicKey) || !got.ExpiresAt.Equal(made.ExpiresAt) {
		return fmt.Errorf("made as %s until %s, fetched as %s until %s", made.Ref, made.ExpiresAt, got.Ref, got.ExpiresAt)
	}
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	return h.under(ctx, got, key, in)
}

// keptMissing changes the end of a ref, which then names nothing.
func keptMissing(ctx context.Context, h *harness) error {
	made, err := h.keptKey(ctx, "")
	if err != nil {
		return err
	}
	last := "0"
	if made.Ref[len(made.Ref)-1:] == last {
		last = "1"
	}
	_, err = h.keptKey(ctx, made.Ref[:len(made.Ref)-1]+last)
	return is(err, broker.NotFound)
}

func keptEnds(ctx context.Context, h *harness) error {
	made, err := h.keptKey(ctx, "")
	if err != nil {
		return err
	}
	if made.ExpiresAt.IsZero() {
		return fmt.Errorf("wrapping key %s has no end", made.Ref)
	}
	h.Advance(made.ExpiresAt.Sub(h.Now()) + time.Minute)
	_, err = h.keptKey(ctx, made.Ref)
	return is(err, broker.Expired)
}

func keptUnusable(ctx context.Context, h *harness) error {
	for _, how := range []Planted{PlantedEnded, PlantedEarly, PlantedDisabled} {
		_, err := h.keptKey(ctx, h.PlantWrappingKey(h.t, h.mechanism(), how))
		if err := named(string(how), err, broker.Expired, broker.NotFound); err != nil {
			return err
		}
	}
	return nil
}

func keptWider(ctx context.Context, h *harness) error {
	for _, how := range []Planted{PlantedWider, PlantedOther} {
		_, err := h.keptKey(ctx, h.PlantWrappingKey(h.t, h.mechanism(), how))
		if err := named(string(how), err, broker.Rejected); err != nil {
			return err
		}
	}
	return nil
}

// keptUnasked: whoever may write to the target could have planted it. What is asked
// for by its ref is fetched: which those are, the broker knows.
func keptUnasked(ctx context.Context, h *harness) error {
	planted := h.PlantWrappingKey(h.t, h.mechanism(), PlantedRight)
	made, err := h.keptKey(ctx, "")
	if err != nil {
		return err
	}
	got, err := h.keptKey(ctx, planted)
	if err != nil {
		return fmt.Errorf("by its ref: %w", err)
	}
	if made.Ref == planted || got.Ref != planted || bytes.Equal(made.PublicKey, got.PublicKey) && made.Ref == got.Ref {
		return fmt.Errorf("planted was %s, made %s, fetched %s", planted, made.Ref, got.Ref)
	}
	return nil
}

func keptForeign(ctx context.Context, h *harness) error {
	if h.ForeignWrappingKey == "" {
		return fmt.Errorf("the target names no wrapping key of another account")
	}
	_, err := h.keptKey(ctx, h.ForeignWrappingKey)
	return is(err, broker.Tampered)
}
