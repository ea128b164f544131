package providertest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
}

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
func want(spec broker.KeySpec, purpose broker.Purpose) broker.PrepareIn {
	return broker.PrepareIn{
		Name: "tests/" + unique(), KeyID: unique(), Number: 1, Spec: spec, Purpose: purpose, Mode: broker.NewKey,
		Tags: map[string]string{"team": "payments"},
	}
}

// simple is the key spec that checks use where any will do: HMAC, whose material
// never has an id and whose proof is a comparison.
func (h *harness) simple() broker.PrepareIn {
	caps := h.Provider.Capabilities()
	for _, s := range []broker.KeySpec{broker.HMAC256, broker.AES256, broker.ECP384, broker.RSA2048} {
		if p := caps.Purposes(s); len(p) > 0 {
			return want(s, p[0])
		}
	}
	h.t.Fatal("the target takes none of the usual key specs")
	return broker.PrepareIn{}
}

func (h *harness) prepare(ctx context.Context, in broker.PrepareIn) (broker.KeyRef, error) {
	made, err := h.Provider.Prepare(ctx, h.effect(broker.StepPrepare), in)
	if err != nil {
		return broker.KeyRef{}, fmt.Errorf("prepare: %w", err)
	}
	return made.Key, nil
}

// wrapped is material made ready for one import.
func (h *harness) wrapped(ctx context.Context, key broker.KeyRef, m material, by broker.Mechanism) (broker.ImportIn, error) {
	w, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: key, Mechanism: by})
	if err != nil {
		return broker.ImportIn{}, fmt.Errorf("fetch wrapping key: %w", err)
	}
	plan := broker.Plan{Spec: m.spec, Mechanism: by, Works: true, Conforming: true}
	if _, err := broker.CheckWrappingKey(w, plan, broker.WrappingKeyPolicy{}, h.Now()); err != nil {
		return broker.ImportIn{}, err
	}
	sealed, err := wrap(w.PublicKey, by, m.raw)
	return broker.ImportIn{Key: key, Kind: broker.ImportNew, Spec: m.spec, Mechanism: by, Wrapped: sealed, Token: w.Token}, err
}

// importing imports material by the first mechanism, changed by how.
func (h *harness) importing(ctx context.Context, key broker.KeyRef, m material, how ...func(*broker.ImportIn)) (broker.Imported, error) {
	in, err := h.wrapped(ctx, key, m, h.Provider.Capabilities().Specs[m.spec].Mechanisms[0])
	if err != nil {
		return broker.Imported{}, err
	}
	for _, change := range how {
		change(&in)
	}
	return h.Provider.Import(ctx, h.effect(broker.StepImport), in)
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

// filled is a key with material, enabled.
func (h *harness) filled(ctx context.Context, in broker.PrepareIn) (broker.VersionRef, material, error) {
	m := make1(in.Spec)
	key, err := h.prepare(ctx, in)
	if err != nil {
		return broker.VersionRef{}, m, err
	}
	done, err := h.importing(ctx, key, m)
	if err != nil {
		return broker.VersionRef{}, m, fmt.Errorf("import: %w", err)
	}
	return done.Version, m, nil
}

// ready is filled of the simple spec.
func (h *harness) ready(ctx context.Context) (broker.VersionRef, broker.PrepareIn, material, error) {
	in := h.simple()
	v, m, err := h.filled(ctx, in)
	return v, in, m, err
}

func (h *harness) do(ctx context.Context, v broker.VersionRef, a broker.Action) error {
	_, err := h.Provider.Do(ctx, h.effect(broker.StepActivate), v, a)
	return err
}

// consumer is a name that the target allows and nobody has.
func (h *harness) consumer() string {
	return h.consumerOf("tests/" + unique())
}

func (h *harness) look(ctx context.Context, q broker.Query) ([]broker.Observation, error) {
	var seen []broker.Observation
	for o, err := range h.Provider.Look(ctx, q) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, o)
	}
	return seen, nil
}

// one is the only thing that a query yields.
func (h *harness) one(ctx context.Context, q broker.Query) (broker.Observation, error) {
	seen, err := h.look(ctx, q)
	if err == nil && len(seen) != 1 {
		err = fmt.Errorf("%d things were seen, not one", len(seen))
	}
	if err != nil {
		return broker.Observation{}, fmt.Errorf("look: %w", err)
	}
	return seen[0], nil
}

// state waits until a key is in the state: what was changed may take a moment to show.
func (h *harness) state(ctx context.Context, key broker.KeyRef, state broker.RemoteState) error {
	return h.eventually(ctx, func() error {
		o, err := h.one(ctx, broker.Query{Key: &key})
		if err == nil && o.State != state {
			err = fmt.Errorf("the key is %s (%s), not %s", o.State, o.Raw, state)
		}
		return err
	})
}

// leads is the key that a consumer name leads to; "" none.
func (h *harness) leads(ctx context.Context, name string) (string, error) {
	seen, err := h.look(ctx, broker.Query{Consumer: name})
	if err != nil || len(seen) == 0 {
		return "", err
	}
	return seen[0].Version.Key.ID, nil
}

// soon is how long something that has happened may take to show in a test.
const soon = 15 * time.Second

// eventually asks until there is no error, for a while, and at least once.
func (h *harness) eventually(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(h.Soon, soon))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// is demands an error of one of the kinds, shaped for people.
func is(err error, kinds ...broker.Kind) error {
	if err == nil {
		return fmt.Errorf("there was no error, %v was promised", kinds)
	}
	e, ok := errors.AsType[*broker.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("the error is a %T, not a *broker.Error: %w", err, err)
	case !slices.Contains(kinds, e.Kind):
		return fmt.Errorf("the error is of kind %q, %v was promised: %w", string(e.Kind), kinds, err)
	case e.Op == "" || e.Object == "":
		return fmt.Errorf("the error does not say what was done to what: %w", err)
	}
	return nil
}
