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
		reject("valid-to in the past is refused", until(time.Unix(1e9, 0)), broker.Rejected, broker.Unsupported),
		{name: "valid-to beyond the limit is refused", run: beyondLimit},
		{name: "valid-from where there is none is refused", when: func(c broker.Capabilities) bool { return !c.ValidTo.From }, run: noBeginning},
		{name: "another key's import token is refused", run: foreignToken},
		{name: "material of another length is refused", run: otherLength},
		{name: "material of another spec is refused", run: otherSpec},
		{name: "bytes after PKCS#8 are refused", run: trailing},
		{name: "material under another hash is refused", run: otherHash},
		{name: "other material as existing is refused", when: together, run: otherAsExisting},
		{name: "other secret material as existing is refused", when: together, run: otherSecretAsExisting},
		{name: "other material beside the first is refused", run: otherBeside},
		{name: "a key that is not there is not found", run: missing},
		{name: "a version that is not there is not found", when: apart, run: missingVersion},
		{name: "a key of another account is tampering", needs: []Need{NeedForeign}, run: foreign},
	}
}

// refuses imports something wrong, and sees that the key stayed empty.
func (h *harness) refuses(ctx context.Context, change func(*broker.ImportIn), kinds ...broker.Kind) error {
	in := h.simple()
	return h.wrongly(ctx, in, make1(in.Spec), change, kinds...)
}

// wrongly imports something, and sees that nothing came of it.
func (h *harness) wrongly(ctx context.Context, in broker.PrepareIn, m material, change func(*broker.ImportIn), kinds ...broker.Kind) error {
	key, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	done, err := h.importing(ctx, key, in, m, change)
	if err != nil || !h.caps().ImportLists {
		if err := is(err, kinds...); err != nil {
			return err
		}
		return h.empty(ctx, key)
	}
	return h.final(ctx, done, err, kinds...)
}

// final demands that an import was refused, or, where imports are accepted first, that
// it came to nothing and says why.
func (h *harness) final(ctx context.Context, done broker.Imported, err error, kinds ...broker.Kind) error {
	if err != nil || !h.caps().ImportLists {
		return is(err, kinds...)
	}
	return h.eventually(ctx, func() error {
		o, err := h.one(ctx, broker.Query{Version: &done.Version})
		if err == nil && (o.State != broker.RemoteFailed || o.Reason == "" || o.HasMaterial) {
			err = fmt.Errorf("it was accepted, and is %s for %q, material %v", o.State, o.Reason, o.HasMaterial)
		}
		return err
	})
}

func asIs(*broker.ImportIn) {}

func beyondLimit(ctx context.Context, h *harness) error {
	rule := h.caps().ValidTo
	if !rule.Native || rule.Max == 0 {
		return nil
	}
	return h.refuses(ctx, until(h.Now().Add(rule.Max+time.Hour)), broker.Rejected)
}

func noBeginning(ctx context.Context, h *harness) error {
	return h.refuses(ctx, from(h.Now().Add(time.Hour)), broker.Unsupported)
}

func foreignToken(ctx context.Context, h *harness) error {
	in := h.simple()
	other, err := h.prepare(ctx, in)
	if err != nil {
		return err
	}
	w, err := h.wrappingKey(ctx, other, h.caps().Specs[in.Spec].Mechanisms[0])
	if err != nil || !w.SingleUse {
		return err // it is for all keys
	}
	return h.refuses(ctx, func(in *broker.ImportIn) { in.Token = w.Token }, broker.Rejected)
}

// ofSpec imports raw material into a key of the spec.
func ofSpec(ctx context.Context, h *harness, spec broker.KeySpec, raw []byte) error {
	purposes := h.caps().Purposes(spec)
	if len(purposes) == 0 {
		return nil
	}
	return h.wrongly(ctx, h.want(spec, purposes[0]), material{spec: spec, raw: raw}, asIs, broker.Rejected)
}

func otherLength(ctx context.Context, h *harness) error {
	return ofSpec(ctx, h, broker.AES256, make1(broker.AES128).raw)
}

func otherSpec(ctx context.Context, h *harness) error {
	return ofSpec(ctx, h, broker.ECP384, make1(broker.ECP256).raw)
}

func trailing(ctx context.Context, h *harness) error {
	return ofSpec(ctx, h, broker.ECP384, append(make1(broker.ECP384).raw, 0))
}

// otherHash wraps by one mechanism under a wrapping key that was fetched for another.
func otherHash(ctx context.Context, h *harness) error {
	in := h.simple()
	mechanisms := h.caps().Specs[in.Spec].Mechanisms
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
	request, err := h.wrapped(ctx, key, in, make1(in.Spec), mechanisms[0])
	if err != nil {
		return err
	}
	w, err := h.wrappingKey(ctx, key, mechanisms[0])
	if err != nil {
		return err
	}
	if request.Wrapped, err = wrap(w.PublicKey, mechanisms[i], make1(in.Spec).raw); err != nil {
		return err
	}
	request.Token = w.Token
	done, err := h.Provider.Import(ctx, h.effect(broker.StepImport), request)
	return h.final(ctx, done, err, broker.Rejected)
}

func otherAsExisting(ctx context.Context, h *harness) error {
	return h.otherAsExisting(ctx, h.simple())
}

func otherSecretAsExisting(ctx context.Context, h *harness) error {
	if !h.caps().Takes(broker.AES256, broker.Encrypt) {
		return nil
	}
	return h.otherAsExisting(ctx, h.want(broker.AES256, broker.Encrypt))
}

// otherAsExisting is what a proof by reimport rests on.
func (h *harness) otherAsExisting(ctx context.Context, in broker.PrepareIn) error {
	f, err := h.fill(ctx, in)
	if err != nil {
		return err
	}
	_, err = h.importing(ctx, f.v.Key, in, make1(in.Spec), existing(f.v))
	if err := is(err, broker.Differs); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func otherBeside(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil || h.caps().Specs[f.in.Spec].SecondVersion {
		return err
	}
	_, err = h.importing(ctx, f.v.Key, f.in, make1(f.in.Spec))
	if err := is(err, broker.Rejected); err != nil {
		return err
	}
	return h.prove(ctx, f)
}
