package storetest

import (
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func timeChecks() []check {
	return []check{
		{"times are UTC and microseconds", timesUTC},
		{"a time that is not set stays so", timesZero},
	}
}

func timesUTC(t *testing.T, open Open) {
	for _, given := range []time.Time{
		time.Date(2026, 10, 25, 2, 30, 0, 123456789, time.FixedZone("CEST", 7200)),
		time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Unix(0, 0),
	} {
		s := open(t)
		name := given.UTC().Format(time.RFC3339Nano)
		c := small(name)
		c.Entry.At, c.NewKey.CreatedAt, c.NewOperation.StartedAt = given, given, given
		c.NewOperation.Params.ValidTo = given
		c.Seal = func(broker.Head) ([]byte, error) { return []byte{1}, nil }
		head := apply(t, s, c)
		view, err := s.Key(t.Context(), name)
		must(t, err)
		op, err := s.Operation(t.Context(), "op-"+name)
		must(t, err)
		entries := collect(t, s.Entries(t.Context(), head.Seq-1))
		heads := collect(t, s.Heads(t.Context(), 0))
		want := given.UTC().Truncate(time.Microsecond)
		for where, got := range map[string]time.Time{
			"key": view.Key.CreatedAt, "operation": op.Operation.StartedAt, "parameter": op.Operation.Params.ValidTo,
			"entry": entries[0].At, "head": head.At, "kept head": heads[len(heads)-1].At,
		} {
			if got != want {
				t.Errorf("%s: %#v, want %#v", where, got, want)
			}
		}
	}
}

func timesZero(t *testing.T, open Open) {
	s := open(t)
	c := small("a")
	c.NewVersion = &broker.KeyVersion{
		KeyID: c.NewKey.ID, Number: 1, State: broker.PreActivation, Retain: broker.RetainToken, CreatedAt: noon(),
	}
	c.Placements = []broker.Placement{{KeyID: c.NewKey.ID, Number: 1, Target: "t", Step: broker.PlacementIntended}}
	c.Intent = &broker.EffectRecord{
		Effect: broker.Effect{Operation: c.NewOperation.ID, Target: "t", Step: broker.StepPrepare}, Intent: []byte(`{}`), At: noon(),
	}
	apply(t, s, c)
	got := readAll(t, open(t))
	equal(t, "placement", c.Placements, got.Keys[0].Placements)
	equal(t, "version", []broker.KeyVersion{*c.NewVersion}, got.Keys[0].Versions)
	equal(t, "operation", *c.NewOperation, got.Operations[0].Operation)
	equal(t, "effect", []broker.EffectRecord{*c.Intent}, got.Operations[0].Effects)
	if got.Operations[0].Effects[0].Done() {
		t.Error("an intent is done before its result is known")
	}
}
