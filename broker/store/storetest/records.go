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
