package storetest

import (
	"fmt"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func recordChecks() []check {
	return []check{
		{"enrolments are in order and replaced as a whole", recordEnrolments},
		{"kept wrapping keys are a target's, the newest first, and replaced as a whole", recordWrappingKeys},
		{"wrapped material is a version's, found by its key and its keeper key", recordRetained},
		{"a keeper key makes way for the next in one change", recordKeepers},
		{"every way of retaining reads as it was written", recordRetains},
		{"effects are in the order they were intended", recordEffects},
	}
}

func recordEnrolments(t *testing.T, open Open) {
	s := open(t)
	enrol := func(kind broker.EnrolmentKind, name string, pins map[string]string) broker.Enrolment {
		e := broker.Enrolment{Kind: kind, Name: name, Pins: pins, At: noon(), Seal: []byte(name)}
		apply(t, s, broker.Change{Enrolment: &e})
		return e
	}
	z := enrol(broker.EnrolToken, "z", nil)
	enrol(broker.EnrolTarget, "z", map[string]string{"region": "a", "account": "1"})
	a := enrol(broker.EnrolToken, "a", map[string]string{"module": "m"})
	again := enrol(broker.EnrolTarget, "z", map[string]string{"region": "b"})
	got, err := open(t).Enrolments(t.Context())
	must(t, err)
	equal(t, "enrolments", []broker.Enrolment{again, a, z}, got)
}

func recordWrappingKeys(t *testing.T, open Open) {
	s := open(t)
	keep := func(target, ref string, made int, ended string) broker.KeptWrappingKey {
		k := broker.KeptWrappingKey{
			Target: target, Ref: ref, Fingerprint: "f-" + ref, Operation: "op", MadeAt: at(made), ExpiresAt: at(made + 9), Ended: ended,
		}
		apply(t, s, broker.Change{WrappingKey: &k})
		return k
	}
	keep("t", "one", 1, "")
	keep("u", "one", 1, "")
	newer := keep("t", "two", 2, "")
	older := keep("t", "one", 1, "expired")
	got, err := open(t).WrappingKeys(t.Context(), "t")
	must(t, err)
	equal(t, "wrapping keys", []broker.KeptWrappingKey{newer, older}, got)
	none, err := s.WrappingKeys(t.Context(), "T")
	must(t, err)
	equal(t, "another target's", []broker.KeptWrappingKey(nil), none)
}

func recordEffects(t *testing.T, open Open) {
	s := open(t)
	apply(t, s, small("k"))
	var want []broker.EffectRecord
	for i := range 6 {
		r := broker.EffectRecord{
			Effect: broker.Effect{Operation: "op-k", Target: fmt.Sprint("t", 9-i), Step: []broker.Step{broker.StepImport, broker.StepFetch}[i%2]},
			Intent: []byte(`{}`), At: at(-i),
		}
		apply(t, s, broker.Change{Intent: &r})
		want = append(want, r)
	}
	for _, i := range []int{4, 0} {
		want[i].Result, want[i].DoneAt = fmt.Appendf(nil, `{"n":%d}`, i), at(i)
		apply(t, s, broker.Change{Result: &want[i]})
	}
	view, err := s.Operation(t.Context(), "op-k")
	must(t, err)
	equal(t, "effects", want, view.Effects)
}

func recordRetained(t *testing.T, open Open) {
	s := open(t)
	f := &filler{t: t}
	first, second := fullChange(f), fullChange(f)
	second.Retained.Keeper = first.Keepers[0].ID
	apply(t, s, first)
	apply(t, s, second)
	found := func(f broker.RetainedFilter) []broker.Retained { return collect(t, open(t).Retained(t.Context(), f)) }
	equal(t, "of a key", []broker.Retained{*second.Retained}, found(broker.RetainedFilter{KeyID: second.NewKey.ID}))
	equal(t, "under a keeper key", []broker.Retained{*second.Retained}, found(broker.RetainedFilter{Keeper: first.Keepers[0].ID}))
	equal(t, "of nothing", []broker.Retained(nil), found(broker.RetainedFilter{KeyID: "none"}))

	ended := *second.Retained
	ended.Wrapped, ended.Ended = nil, broker.MovedToToken
	apply(t, s, broker.Change{Retained: &ended})
	equal(t, "under a keeper key, ended", []broker.Retained(nil), found(broker.RetainedFilter{Keeper: first.Keepers[0].ID}))
	equal(t, "of a key, ended", []broker.Retained{ended}, found(broker.RetainedFilter{KeyID: second.NewKey.ID}))
}

func recordKeepers(t *testing.T, open Open) {
	s := open(t)
	one := broker.KeptKeeper{ID: "one", TokenSerial: "7", Environment: "test", State: broker.KeeperCurrent, IntendedAt: at(1)}
	other := broker.KeptKeeper{ID: "other", TokenSerial: "8", Environment: "test", State: broker.KeeperIntended, IntendedAt: at(2)}
	apply(t, s, broker.Change{Keepers: []broker.KeptKeeper{one, other}})
	next := broker.KeptKeeper{ID: "next", TokenSerial: "7", Environment: "test", State: broker.KeeperIntended, IntendedAt: at(3)}
	one.State = broker.KeeperReplaced
	_, err := s.Apply(t.Context(), broker.Change{Entry: broker.Entry{Event: "e"}, Keepers: []broker.KeptKeeper{next, one}})
	refused(t, "a second one before the first has made way", err, broker.Conflict)
	apply(t, s, broker.Change{Keepers: []broker.KeptKeeper{one, next}})
	got, err := open(t).Keepers(t.Context())
	must(t, err)
	equal(t, "keeper keys", []broker.KeptKeeper{next, other, one}, got)
}

func recordRetains(t *testing.T, open Open) {
	s := open(t)
	c := small("k")
	apply(t, s, c)
	v := broker.KeyVersion{KeyID: c.NewKey.ID, State: broker.Active, CreatedAt: noon()}
	for i, r := range broker.Retains() {
		v.Number, v.Retain = i+10, r
		apply(t, s, broker.Change{NewVersion: &v})
		v.Retain = broker.Retains()[len(broker.Retains())-1-i]
		apply(t, s, broker.Change{Version: &v})
	}
	view, err := open(t).Key(t.Context(), "k")
	must(t, err)
	for i, r := range broker.Retains() {
		last := broker.Retains()[len(broker.Retains())-1-i]
		if got, _ := view.Version(i + 10); got.Retain != last {
			t.Errorf("retain %s, then %s: it reads as %q", r, last, got.Retain)
		}
	}
}
