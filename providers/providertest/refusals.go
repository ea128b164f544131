package providertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func refusalChecks() []check {
	reject := func(name string, change func(*broker.ImportIn), kinds ...broker.Kind) check {
		return check{name: name, run: func(ctx context.Context, h *harness) error { return h.refuses(ctx, change, kinds...) }}
	}
	return []check{
		reject("garbage is not material", func(in *broker.ImportIn) { clear(in.Wrapped) }, broker.Rejected),
		reject("wrapped material cut short is refused", func(in *broker.ImportIn) { in.Wrapped = in.Wrapped[:len(in.Wrapped)-1] }, broker.Rejected),
		reject("no material is refused", func(in *broker.ImportIn) { in.Wrapped = nil }, broker.Rejected),
		reject("garbage is not an import token", func(in *broker.ImportIn) { in.Token = []byte("garbage") }, broker.Rejected),
		reject("valid-to in the past is refused", func(in *broker.ImportIn) { in.ValidTo = time.Unix(1e9, 0) }, broker.Rejected, broker.Unsupported),
		{name: "valid-to beyond the limit is refused", run: beyondLimit},
		{name: "another key's import token is refused", run: foreignToken},
		{name: "material of another length is refused", run: otherLength},
		{name: "material of another spec is refused", run: otherSpec},
		{name: "bytes after PKCS#8 are refused", run: trailing},
		{name: "material under another hash is refused", run: otherHash},
		{name: "other material as existing is refused", run: otherAsExisting},
		{name: "other secret material as existing is refused", run: otherSecretAsExisting},
		{name: "other material beside the first is refused", run: otherBeside},
		{name: "a key that is not there is not found", run: missing},
		{name: "a key of another account is tampering", needs: []Need{NeedForeign}, run: foreign},
	}
}

// refuses imports something wrong, and sees that the key stayed empty.
func (h *harness) refuses(ctx context.Context, change func(*broker.ImportIn), kinds ...broker.Kind) error {
	in := h.simple()
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	_, err = h.importing(ctx, key, make1(in.Spec), change)
	if err := is(err, kinds...); err != nil {
		return err
	}
	return h.state(ctx, key, broker.RemotePending)
}

func beyondLimit(ctx context.Context, h *harness) error {
	rule := h.Provider.Capabilities().ValidTo
	if !rule.Native || rule.Max == 0 {
		return nil
	}
	return h.refuses(ctx, until(h.Now().Add(rule.Max+time.Hour)), broker.Rejected)
}

func foreignToken(ctx context.Context, h *harness) error {
	in := h.simple()
	other, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	m := h.Provider.Capabilities().Specs[in.Spec].Mechanisms[0]
	w, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: other, Mechanism: m})
	if err != nil {
		return err
	}
	return h.refuses(ctx, func(in *broker.ImportIn) { in.Token = w.Token }, broker.Rejected)
}

// wrongly imports raw bytes into a key of the spec.
func (h *harness) wrongly(ctx context.Context, spec broker.KeySpec, raw []byte, kinds ...broker.Kind) error {
	purposes := h.Provider.Capabilities().Purposes(spec)
	if len(purposes) == 0 {
		return nil
	}
	key, err := h.prepare(ctx, want(spec, purposes[0]))
	if err != nil {
		return err
	}
	_, err = h.importing(ctx, key, material{spec: spec, raw: raw})
	if err := is(err, kinds...); err != nil {
		return err
	}
	return h.state(ctx, key, broker.RemotePending)
}

func otherLength(ctx context.Context, h *harness) error {
	return h.wrongly(ctx, broker.AES256, make1(broker.AES128).raw, broker.Rejected)
}

func otherSpec(ctx context.Context, h *harness) error {
	return h.wrongly(ctx, broker.ECP384, make1(broker.ECP256).raw, broker.Rejected)
}

func trailing(ctx context.Context, h *harness) error {
	return h.wrongly(ctx, broker.ECP384, append(make1(broker.ECP384).raw, 0), broker.Rejected)
}

// otherHash wraps by one mechanism under a wrapping key that was fetched for another.
func otherHash(ctx context.Context, h *harness) error {
	in := h.simple()
	mechanisms := h.Provider.Capabilities().Specs[in.Spec].Mechanisms
	i := slices.IndexFunc(mechanisms, func(m broker.Mechanism) bool {
		return m.SHA1() != mechanisms[0].SHA1() && m.Direct() == mechanisms[0].Direct()
	})
	if i < 0 {
		return nil
	}
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	w, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: mechanisms[0]})
	if err != nil {
		return err
	}
	sealed, err := wrap(w.PublicKey, mechanisms[i], make1(in.Spec).raw)
	if err != nil {
		return err
	}
	_, err = h.Provider.Import(ctx, h.effect(broker.StepImport), broker.ImportIn{
		Key: key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: mechanisms[0], Wrapped: sealed, Token: w.Token,
	})
	return is(err, broker.Rejected)
}

func otherAsExisting(ctx context.Context, h *harness) error {
	return h.otherAsExisting(ctx, h.simple())
}

func otherSecretAsExisting(ctx context.Context, h *harness) error {
	if !h.Provider.Capabilities().Takes(broker.AES256, broker.Encrypt) {
		return nil
	}
	return h.otherAsExisting(ctx, want(broker.AES256, broker.Encrypt))
}

// otherAsExisting is what a proof by reimport rests on.
func (h *harness) otherAsExisting(ctx context.Context, in broker.PrepareIn) error {
	v, m, err := h.filled(ctx, in)
	if err != nil {
		return err
	}
	_, err = h.importing(ctx, v.Key, make1(in.Spec), existing(v))
	if err := is(err, broker.Differs); err != nil {
		return err
	}
	return h.prove(ctx, v, m, in.Purpose)
}

func otherBeside(ctx context.Context, h *harness) error {
	v, in, m, err := h.ready(ctx)
	if err != nil || h.Provider.Capabilities().Specs[in.Spec].SecondVersion {
		return err
	}
	_, err = h.importing(ctx, v.Key, make1(in.Spec))
	if err := is(err, broker.Rejected); err != nil {
		return err
	}
	return h.prove(ctx, v, m, in.Purpose)
}

// every calls each method that takes a key with ref.
func (h *harness) every(ctx context.Context, ref broker.KeyRef) map[string]error {
	in := h.simple()
	m := make1(in.Spec)
	mechanism := h.Provider.Capabilities().Specs[in.Spec].Mechanisms[0]
	v := broker.VersionRef{Key: ref}
	out := map[string]error{}
	_, out["wrapping key"] = h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: ref, Mechanism: mechanism})
	_, out["import"] = h.Provider.Import(ctx, h.effect(broker.StepImport), broker.ImportIn{
		Key: ref, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: mechanism, Wrapped: m.raw, Token: m.raw,
	})
	for _, kind := range []broker.ActionKind{broker.Disable, broker.Enable, broker.Schedule, broker.Cancel, broker.DeleteMaterial} {
		out[string(kind)] = h.do(ctx, v, broker.Action{Kind: kind})
	}
	out["activate"] = h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: h.consumer()})
	c, err := h.challenge(v, m, in.Purpose)
	must(err)
	_, out["prove"] = h.Provider.Prove(ctx, v, c)
	return out
}

func missing(ctx context.Context, h *harness) error {
	for call, err := range h.every(ctx, h.Missing) {
		if err := is(err, broker.NotFound); err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
	}
	for _, q := range []broker.Query{
		{Key: &h.Missing},
		{Versions: &h.Missing},
		{Version: &broker.VersionRef{Key: h.Missing}},
		{Effect: h.effect(broker.StepPrepare).ID()},
		{Consumer: h.consumer()},
		{Consumer: "a name that cannot be"},
	} {
		if seen, err := h.look(ctx, q); err != nil || len(seen) > 0 {
			return fmt.Errorf("look %+v: %d things, error %w", q, len(seen), err)
		}
	}
	return nil
}

func foreign(ctx context.Context, h *harness) error {
	for call, err := range h.every(ctx, h.Foreign) {
		if err := is(err, broker.Tampered); err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
	}
	_, err := h.look(ctx, broker.Query{Key: &h.Foreign})
	return is(err, broker.Tampered)
}
