package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// filled is a version with material.
type filled struct {
	v        broker.VersionRef
	in       broker.PrepareIn
	m        material
	consumer string        // what consumers use once it is active; "" a name of ours
	effect   broker.Effect // that imported it
	source   string        // of the wrapping key that it was imported under
}

// query is for the version, or for the key where all its versions are one.
func (h *harness) query(f filled) broker.Query {
	if h.given(f.in) == broker.GivenName {
		return broker.Query{Key: &f.v.Key}
	}
	return broker.Query{Version: &f.v}
}

// fill makes a key with material, enabled.
func (h *harness) fill(ctx context.Context, in broker.PrepareIn, how ...func(*broker.ImportIn)) (filled, error) {
	key, err := h.prepare(ctx, in)
	if err != nil {
		return filled{}, err
	}
	return h.fillKey(ctx, key, in, make1(in.Spec), how...)
}

// fillKey imports a version into a key and waits until it is there.
func (h *harness) fillKey(ctx context.Context, key broker.KeyRef, in broker.PrepareIn, m material, how ...func(*broker.ImportIn)) (filled, error) {
	f := filled{in: in, m: m, effect: h.effect(broker.StepImport)}
	request, err := h.wrapped(ctx, key, in, m, "")
	if err != nil {
		return f, err
	}
	for _, change := range how {
		change(&request)
	}
	done, err := h.Provider.Import(ctx, f.effect, request)
	if err != nil {
		return f, fmt.Errorf("import: %w", err)
	}
	f.v, f.consumer, f.source = done.Version, done.Consumer, h.source
	if h.given(in) == broker.GivenName {
		return f, nil
	}
	return f, h.state(ctx, f, broker.RemoteEnabled)
}

// next imports a further version, of other material, into the key of f.
func (h *harness) next(ctx context.Context, f filled, how ...func(*broker.ImportIn)) (filled, error) {
	in := f.in
	in.Number, in.Mode, in.Prior, in.At = in.Number+1, broker.SameKey, &f.v, h.Now()
	return h.fillKey(ctx, f.v.Key, in, make1(in.Spec), how...)
}

// ready is fill of the simple spec.
func (h *harness) ready(ctx context.Context) (filled, error) { return h.fill(ctx, h.simple()) }

// freeConsumer is a name of ours that consumers could be given, and that leads nowhere.
func (h *harness) freeConsumer() string { return h.nameOf("tests-" + unique()) }
