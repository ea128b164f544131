package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func applyChecks() []check {
	return []check{
		{"every field survives", everyField},
		{"every field can be replaced", everyReplaced},
		{"a result is set once", resultOnce},
		{"a refused change leaves nothing behind", allOrNothing},
		{"a seal that panics leaves the store as it was", sealPanics},
		{"a context that ended changes nothing", ended},
		{"what is not there is not found", notFound},
	}
}

func everyField(t *testing.T, open Open) {
	c := fullChange(&filler{t: t})
	seal := []byte{0, 1, 2, 0xff}
	c.Seal = func(broker.Head) ([]byte, error) { return seal, nil }
	head := apply(t, open(t), c)

	s := open(t)
	got := readAll(t, s)
	equal(t, "inventory", []broker.KeyView{{
		Key: *c.NewKey, Versions: []broker.KeyVersion{*c.NewVersion}, Placements: c.Placements,
	}}, got.Keys)
	equal(t, "operations", []broker.OperationView{{
		Operation: *c.NewOperation, Effects: []broker.EffectRecord{*c.Intent},
	}}, got.Operations)
	equal(t, "enrolments", []broker.Enrolment{*c.Enrolment}, got.Enrolments)
	equal(t, "wrapping keys", []broker.KeptWrappingKey{*c.WrappingKey}, got.Wrapping)
	equal(t, "wrapped material", []broker.Retained{*c.Retained}, got.Retained)
	slices.Reverse(got.Keepers) // the newest is first
	equal(t, "keeper keys", c.Keepers, got.Keepers)
	want := c.Entry
	want.Seq, want.Prev, want.Hash = 1, broker.GenesisHash, head.Hash
	want.State, want.Links = broker.EmptyState(), nil // the store's own
	equal(t, "audit", []broker.Entry{want}, got.Entries)
	sealed := broker.Head{Seq: 1, Hash: head.Hash, Operation: c.Entry.Operation, Seal: seal, At: c.Entry.At}
	equal(t, "the head that was answered", sealed, head)
	equal(t, "the heads that are kept", []broker.Head{sealed}, got.Heads)

	view, err := s.Key(t.Context(), c.NewKey.Name)
	must(t, err)
	equal(t, "the key by name", got.Keys[0], view)
	operation, err := s.Operation(t.Context(), c.NewOperation.ID)
	must(t, err)
	equal(t, "the operation by id", got.Operations[0], operation)
}

func everyReplaced(t *testing.T, open Open) {
	f := &filler{t: t}
	first := fullChange(f)
	apply(t, open(t), first)
	second := fullChange(f)
	version, operation, effect, placements := *second.NewVersion, *second.NewOperation, filled[broker.EffectRecord](f), second.Placements
	version.KeyID, version.Number = first.NewVersion.KeyID, first.NewVersion.Number
	operation.ID = first.NewOperation.ID
	effect.Effect, effect.Intent, effect.At = first.Intent.Effect, first.Intent.Intent, first.Intent.At
	for i := range placements {
		old := first.Placements[i]
		placements[i].KeyID, placements[i].Number, placements[i].Target = old.KeyID, old.Number, old.Target
	}
	enrolment := *second.Enrolment
	enrolment.Kind, enrolment.Name = first.Enrolment.Kind, first.Enrolment.Name
	retained, keepers := *second.Retained, second.Keepers
	for i := range keepers {
		keepers[i].ID = first.Keepers[i].ID
	}
	retained.KeyID, retained.Number, retained.Keeper = first.Retained.KeyID, first.Retained.Number, keepers[0].ID
	apply(t, open(t), broker.Change{
		Entry: second.Entry, Version: &version, Placements: placements, Operation: &operation, Result: &effect, Enrolment: &enrolment,
		Retained: &retained, Keepers: keepers,
	})

	got := readAll(t, open(t))
	equal(t, "inventory", []broker.KeyView{{
		Key: *first.NewKey, Versions: []broker.KeyVersion{version}, Placements: placements,
	}}, got.Keys)
	equal(t, "operations", []broker.OperationView{{Operation: operation, Effects: []broker.EffectRecord{effect}}}, got.Operations)
	equal(t, "enrolments", []broker.Enrolment{enrolment}, got.Enrolments)
	equal(t, "wrapped material", []broker.Retained{retained}, got.Retained)
	slices.Reverse(got.Keepers)
	equal(t, "keeper keys", keepers, got.Keepers)
}

func resultOnce(t *testing.T, open Open) {
	s := open(t)
	c := fullChange(&filler{t: t})
	apply(t, s, c)
	result := *c.Intent
	result.Result, result.DoneAt = []byte(`{"ok":true}`), at(1)
	apply(t, s, broker.Change{Result: &result})

	again := result
	again.DoneAt = at(2)
	apply(t, s, broker.Change{Result: &again})
	view, err := s.Operation(t.Context(), result.Effect.Operation)
	must(t, err)
	equal(t, "the result that was first known", []broker.EffectRecord{result}, view.Effects)

	again.Result = []byte(`{"ok":false}`)
	_, err = s.Apply(t.Context(), broker.Change{Entry: broker.Entry{Event: "e"}, Result: &again})
	refused(t, "another result", err, broker.Conflict)
}

// allOrNothing tries every way in which a change can be refused, each in a change in
// which all else is right.
func allOrNothing(t *testing.T, open Open) {
	s := open(t)
	f := &filler{t: t}
	old := fullChange(f)
	apply(t, s, old)
	before := readAll(t, s)
	for _, r := range refusals() {
		c := fullChange(f)
		r.spoil(&c, old)
		_, err := s.Apply(t.Context(), c)
		refused(t, r.name, err, r.kind)
		equal(t, r.name, before, readAll(t, s))
	}
	if head := apply(t, s, fullChange(f)); head.Seq != int64(len(before.Entries))+1 {
		t.Errorf("the next entry is %d: refused changes left a gap", head.Seq)
	}
}

func sealPanics(t *testing.T, open Open) {
	s := open(t)
	c := fullChange(&filler{t: t})
	c.Seal = func(broker.Head) ([]byte, error) { panic("the module crashed") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Apply(t.Context(), c)
	}()
	equal(t, "after the panic", everything{}, readAll(t, s))
	c.Seal = nil
	apply(t, s, c)
}

func ended(t *testing.T, open Open) {
	s := open(t)
	for _, name := range []string{"before", "inside the transaction"} {
		ctx, cancel := context.WithCancel(t.Context())
		c := fullChange(&filler{t: t})
		if name == "before" {
			cancel()
		}
		c.Seal = func(broker.Head) ([]byte, error) {
			cancel()
			return []byte{1}, nil
		}
		_, err := s.Apply(ctx, c)
		cancel()
		refused(t, name, err, broker.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v does not say that it was cancelled", name, err)
		}
		equal(t, name, everything{}, readAll(t, s))
	}
	apply(t, s, fullChange(&filler{t: t}))
}

func notFound(t *testing.T, open Open) {
	s := open(t)
	_, err := s.Key(t.Context(), "nothing")
	refused(t, "key", err, broker.NotFound)
	_, err = s.Operation(t.Context(), "nothing")
	refused(t, "operation", err, broker.NotFound)
	equal(t, "an empty store", everything{}, readAll(t, s))
}
