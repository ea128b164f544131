package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// importChecks are one for each key spec, purpose and mechanism there is, so that a
// target can deviate in one of them.
func importChecks() []check {
	checks := []check{
		{name: "two keys never share an id", run: distinct},
		{name: "a wrapping key serves as often as it says", run: servesAgain},
		{name: "each algorithm can be asked for", run: eachAlgorithm},
		{name: "an algorithm that does not exist is refused", run: noSuchAlgorithm},
		{name: "an import that takes its time is importing until it is done", when: importLists, needs: []Need{NeedImporting, NeedClock}, run: takesTime},
		{name: "an import that was accepted can fail, and says why", when: importLists, needs: []Need{NeedImporting, NeedClock}, run: failsLater},
	}
	for _, s := range broker.KeySpecs() {
		for _, p := range s.Purposes() {
			checks = append(checks, check{
				name: fmt.Sprintf("import and prove %s for %s", s, p),
				run:  func(ctx context.Context, h *harness) error { return h.importAndProve(ctx, s, p, "") },
			})
		}
		for _, m := range broker.Mechanisms() {
			checks = append(checks, check{
				name: fmt.Sprintf("import %s by %s", s, m),
				run:  func(ctx context.Context, h *harness) error { return h.importBy(ctx, s, m) },
			})
		}
	}
	return checks
}

// importBy imports by a mechanism that is offered; the broker chooses among those.
func (h *harness) importBy(ctx context.Context, s broker.KeySpec, m broker.Mechanism) error {
	if c := h.caps().Specs[s]; slices.Contains(c.Mechanisms, m) {
		return h.importAndProve(ctx, s, c.Purposes[0], m)
	}
	return nil
}

// importAndProve imports by m, or the first mechanism, and compares both sides;
// what the target says that it does not take, it must refuse.
func (h *harness) importAndProve(ctx context.Context, s broker.KeySpec, p broker.Purpose, m broker.Mechanism) error {
	in := h.want(s, p)
	if !h.caps().Takes(s, p) {
		_, err := h.prepare(ctx, in)
		return is(err, broker.Unsupported)
	}
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	f := filled{in: in, m: h.shared.material(s)}
	request, err := h.wrapped(ctx, key, in, f.m, m)
	if err != nil {
		return err
	}
	done, err := h.Provider.Import(ctx, h.effect(broker.StepImport), request)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	f.v = done.Version
	if done.Version.Key != key || done.Receipt.RequestID == "" || done.Receipt.Endpoint == "" {
		return fmt.Errorf("answer %+v about key %s", done, key.ID)
	}
	if told := done.Consumer != ""; told == (h.given(in) == broker.GivenName) {
		return fmt.Errorf("consumers are told to use %q", done.Consumer)
	}
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func distinct(ctx context.Context, h *harness) error {
	first, err := h.ready(ctx)
	if err != nil {
		return err
	}
	second, err := h.ready(ctx)
	if err == nil && first.v.Key == second.v.Key {
		err = fmt.Errorf("both are %s", first.v.Key.ID)
	}
	return err
}

// servesAgain imports two keys under one wrapping key, which is refused where it is
// for one import.
func servesAgain(ctx context.Context, h *harness) error {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	w, err := h.wrappingKey(ctx, key, h.caps().Specs[in.Spec].Mechanisms[0])
	if err != nil {
		return err
	}
	other := h.want(in.Spec, in.Purpose)
	second, err := h.prepare(ctx, other)
	if err != nil {
		return err
	}
	if err := h.under(ctx, w, key, in); err != nil {
		return fmt.Errorf("first import: %w", err)
	}
	err = h.under(ctx, w, second, other)
	if w.SingleUse {
		return named("second import under one for one import", err, broker.Rejected)
	}
	return err
}

// under imports new material under a wrapping key.
func (h *harness) under(ctx context.Context, w broker.WrappingKey, key broker.KeyRef, in broker.PrepareIn) error {
	sealed, err := wrap(w.PublicKey, w.Mechanism, make1(in.Spec).raw)
	if err != nil {
		return err
	}
	_, err = h.Provider.Import(ctx, h.effect(broker.StepImport), broker.ImportIn{
		Key: key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: w.Mechanism, Wrapped: sealed, Token: w.Token, Of: in,
	})
	return err
}

func eachAlgorithm(ctx context.Context, h *harness) error {
	for s, offered := range h.caps().Specs {
		for p, words := range offered.Algorithms {
			for _, word := range words {
				in := h.want(s, p)
				in.Algorithm = word
				f, err := h.fill(ctx, in)
				if err == nil {
					err = h.prove(ctx, f)
				}
				if err != nil {
					return fmt.Errorf("%s for %s as %s: %w", s, p, word, err)
				}
			}
		}
	}
	return nil
}

func noSuchAlgorithm(ctx context.Context, h *harness) error {
	in := h.simple()
	in.Algorithm = "ROT13"
	key, err := h.prepare(ctx, in)
	if err == nil && h.caps().ImportMakesKey {
		_, err = h.importing(ctx, key, in, make1(in.Spec))
	}
	return is(err, broker.Unsupported, broker.Rejected, broker.Misuse)
}

// accepted imports while imports come to what the target was told.
func (h *harness) accepted(ctx context.Context, i Importing) (filled, error) {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return filled{}, err
	}
	h.Importing(h.t, i)
	f := filled{in: in, m: make1(in.Spec)}
	done, err := h.importing(ctx, key, in, f.m)
	f.v = done.Version
	return f, err
}

func takesTime(ctx context.Context, h *harness) error {
	f, err := h.accepted(ctx, Importing{Takes: time.Hour})
	if err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err != nil || o.State != broker.RemoteImporting || o.HasMaterial {
		return fmt.Errorf("it is %s, material %v: %w", o.State, o.HasMaterial, err)
	}
	if err := named("prove meanwhile", h.asked(ctx, f), broker.Conflict); err != nil {
		return err
	}
	h.Advance(time.Hour + time.Second)
	if err := h.state(ctx, f, broker.RemoteEnabled); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func failsLater(ctx context.Context, h *harness) error {
	f, err := h.accepted(ctx, Importing{Takes: time.Hour, Fails: true})
	if err != nil {
		return err
	}
	h.Advance(time.Hour + time.Second)
	if err := h.state(ctx, f, broker.RemoteFailed); err != nil {
		return err
	}
	o, err := h.one(ctx, broker.Query{Version: &f.v})
	if err == nil && (o.Reason == "" || o.HasMaterial) {
		err = errors.New("a failed import says no reason, or has material")
	}
	if err != nil {
		return err
	}
	return named("prove", h.asked(ctx, f), broker.Conflict)
}
