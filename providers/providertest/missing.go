package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// actions are those that the target has for a key.
func (h *harness) actions(in broker.PrepareIn) []broker.ActionKind {
	out := []broker.ActionKind{broker.Disable, broker.Enable, broker.Schedule, broker.Cancel}
	switch h.given(in) {
	case broker.GivenName:
		out = append(out, broker.DeleteMaterial, broker.Activate)
	case broker.GivenPrimary:
		out = append(out, broker.Activate)
	default: // there is nothing that could be moved
	}
	if h.caps().ValidTo.Moves {
		out = append(out, broker.SetEnd)
	}
	return out
}

// every calls each method that takes a version with one of the key.
func (h *harness) every(ctx context.Context, v broker.VersionRef) map[string]error {
	in := h.simple()
	m := make1(in.Spec)
	out := map[string]error{"prove": h.asked(ctx, filled{v: v, in: in, m: m})}
	for _, kind := range h.actions(in) {
		if ofKeys := kind == broker.Schedule || kind == broker.Cancel; ofKeys && v.ID != "" && !h.caps().Deletion.KeysStay {
			continue
		}
		a := broker.Action{Kind: kind}
		if kind == broker.Activate {
			a.Consumer = h.freeConsumer()
		}
		out[string(kind)] = h.do(ctx, v, a)
	}
	return out
}

// everyKey calls each method that takes a key.
func (h *harness) everyKey(ctx context.Context, ref broker.KeyRef) map[string]error {
	in := h.simple()
	mechanism := h.caps().Specs[in.Spec].Mechanisms[0]
	out := h.every(ctx, broker.VersionRef{Key: ref})
	_, out["import"] = h.Provider.Import(ctx, h.effect(broker.StepImport), broker.ImportIn{
		Key: ref, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: mechanism, Wrapped: make1(in.Spec).raw, Token: make1(in.Spec).raw,
	})
	if !h.caps().KeepsWrappingKeys {
		_, out["wrapping key"] = h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: ref, Mechanism: mechanism})
	}
	return out
}

func missing(ctx context.Context, h *harness) error {
	calls := h.everyKey(ctx, h.Missing)
	if h.caps().ImportMakesKey {
		delete(calls, "import") // it would make it
	}
	for call, err := range calls {
		if err := named(call, err, broker.NotFound); err != nil {
			return err
		}
	}
	queries := []broker.Query{
		{Key: &h.Missing},
		{Versions: &h.Missing},
		{Version: &broker.VersionRef{Key: h.Missing}},
		{Effect: h.effect(broker.StepPrepare).ID()},
		{Consumer: h.freeConsumer()},
		{Consumer: "a name that cannot be"},
	}
	if h.caps().NamesKeys {
		queries[4] = broker.Query{Consumer: h.Missing.ID}
		queries = append(queries, broker.Query{Name: h.freeName()}, broker.Query{Name: "a name that cannot be"})
	}
	for _, q := range queries {
		if err := h.none(ctx, q); err != nil {
			return fmt.Errorf("look %+v: %w", q, err)
		}
	}
	return nil
}

// missingVersion asks for a version of another key, which this one has not.
func missingVersion(ctx context.Context, h *harness) error {
	f, err := h.ready(ctx)
	if err != nil {
		return err
	}
	_, other, err := h.pair(ctx, h.roomy())
	if err != nil {
		return err
	}
	none := broker.VersionRef{Key: f.v.Key, ID: other.v.ID}
	for call, err := range h.every(ctx, none) {
		if err := named(call, err, broker.NotFound); err != nil {
			return err
		}
	}
	if err := h.none(ctx, broker.Query{Version: &none}); err != nil {
		return err
	}
	return h.prove(ctx, f)
}

func foreign(ctx context.Context, h *harness) error {
	for call, err := range h.everyKey(ctx, h.Foreign) {
		if err := named(call, err, broker.Tampered); err != nil {
			return err
		}
	}
	for _, q := range []broker.Query{{Key: &h.Foreign}, {Versions: &h.Foreign}, {Version: &broker.VersionRef{Key: h.Foreign}}} {
		if _, err := h.look(ctx, q); is(err, broker.Tampered) != nil {
			return fmt.Errorf("look %+v: %w", q, is(err, broker.Tampered))
		}
	}
	return nil
}
