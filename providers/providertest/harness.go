package providertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// harness is one target with what checks do to it over and over.
type harness struct {
	Target
	t      *testing.T
	shared *shared
	lacks  map[Need]string
	kept   map[broker.Mechanism]string // refs of the wrapping keys that were made
	source string                      // of the wrapping key that was fetched last
}

func (h *harness) caps() broker.Capabilities { return h.Provider.Capabilities() }

// effect is one that no check had before.
func (h *harness) effect(step broker.Step) broker.Effect {
	return broker.Effect{Operation: "test-" + unique(), Target: "under-test", Step: step}
}

func unique() string {
	raw := make([]byte, 8)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// want is what a check asks to be prepared.
func (h *harness) want(spec broker.KeySpec, purpose broker.Purpose) broker.PrepareIn {
	name := "tests/" + unique()
	in := broker.PrepareIn{
		Name: name, KeyID: unique() + unique(), Number: 1, Spec: spec, Purpose: purpose, Mode: broker.NewKey,
		Tags: map[string]string{"team": "payments"}, At: h.Now(),
	}
	if h.caps().NamesKeys {
		in.RemoteName = h.freeName()
	}
	return in
}

// freeName is a name of ours that every rule allows, and nobody has.
func (h *harness) freeName() string { return h.nameOf("tests-" + unique()) }

// simple is the key that checks use where any will do, if it can be proven.
func (h *harness) simple() broker.PrepareIn {
	c := h.caps()
	in, ok := h.picked(func(s broker.KeySpec, p broker.Purpose) bool { return c.Specs[s].Proof[p] != broker.ProofAccepted })
	if !ok {
		h.t.Fatal("the target takes no key that can be proven")
	}
	return in
}

func (h *harness) picked(suits func(broker.KeySpec, broker.Purpose) bool) (broker.PrepareIn, bool) {
	s, p, ok := pick(h.caps(), suits)
	return h.want(s, p), ok
}

// giving is a key of which consumers are given just this; the check's when says that
// there is one.
func (h *harness) giving(g broker.Given) broker.PrepareIn {
	c := h.caps()
	in, _ := h.picked(func(s broker.KeySpec, p broker.Purpose) bool { return c.Specs[s].Given[p] == g })
	return in
}

func (h *harness) given(in broker.PrepareIn) broker.Given {
	return h.caps().Specs[in.Spec].Given[in.Purpose]
}

func (h *harness) prepare(ctx context.Context, in broker.PrepareIn) (broker.KeyRef, error) {
	made, err := h.Provider.Prepare(ctx, h.effect(broker.StepPrepare), in)
	if err != nil {
		return broker.KeyRef{}, fmt.Errorf("prepare: %w", err)
	}
	return made.Key, nil
}

// wrappingKey asks for one as the broker does: where they are kept, for the one that
// was made before.
func (h *harness) wrappingKey(ctx context.Context, key broker.KeyRef, by broker.Mechanism) (broker.WrappingKey, error) {
	w, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: by, Kept: h.kept[by]})
	if err != nil {
		return w, fmt.Errorf("fetch wrapping key: %w", err)
	}
	h.source = w.Source
	if h.caps().KeepsWrappingKeys {
		h.kept[by] = w.Ref
	}
	plan := broker.Plan{Mechanism: by, Works: true, Conforming: true}
	_, err = broker.CheckWrappingKey(w, plan, broker.WrappingKeyPolicy{}, h.Now())
	return w, err
}

// wrapped is material made ready for one import by a mechanism; "" is the first.
func (h *harness) wrapped(ctx context.Context, key broker.KeyRef, in broker.PrepareIn, m material, by broker.Mechanism) (broker.ImportIn, error) {
	if by == "" {
		by = h.caps().Specs[in.Spec].Mechanisms[0]
	}
	w, err := h.wrappingKey(ctx, key, by)
	if err != nil {
		return broker.ImportIn{}, err
	}
	sealed, err := wrap(w.PublicKey, by, m.raw)
	return broker.ImportIn{
		Key: key, Kind: broker.ImportNew, Spec: in.Spec, Mechanism: by, Wrapped: sealed, Token: w.Token, Of: in,
	}, err
}

// importing imports material by the first mechanism, changed by how.
func (h *harness) importing(ctx context.Context, key broker.KeyRef, in broker.PrepareIn, m material, how ...func(*broker.ImportIn)) (broker.Imported, error) {
	request, err := h.wrapped(ctx, key, in, m, "")
	if err != nil {
		return broker.Imported{}, err
	}
	for _, change := range how {
		change(&request)
	}
	return h.Provider.Import(ctx, h.effect(broker.StepImport), request)
}

// existing makes an import one of material that was there before.
func existing(v broker.VersionRef) func(*broker.ImportIn) {
	return func(in *broker.ImportIn) { in.Kind, in.Version = broker.ImportExisting, &v }
}

func restored(v broker.VersionRef) func(*broker.ImportIn) {
	return func(in *broker.ImportIn) { in.Kind, in.Version = broker.ImportRestore, &v }
}

func until(t time.Time) func(*broker.ImportIn) {
	return func(in *broker.ImportIn) { in.ValidTo = t }
}

func from(t time.Time) func(*broker.ImportIn) {
	return func(in *broker.ImportIn) { in.ValidFrom = t }
}

func (h *harness) do(ctx context.Context, v broker.VersionRef, a broker.Action) error {
	_, err := h.Provider.Do(ctx, h.effect(broker.StepActivate), v, a)
	return err
}
