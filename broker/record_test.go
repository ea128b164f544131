package broker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

// words are texts that records without lengths would confuse.
func words() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "ab", "1:a,", ",", ":", "0", "0:,", "1", "2", "a\nb", "ä", "\x00"}),
		rapid.String(),
	)
}

func moments() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 1<<50), func(n int64) time.Time { return time.UnixMicro(n).UTC() })
}

func enrolments() *rapid.Generator[broker.Enrolment] {
	return rapid.Custom(func(t *rapid.T) broker.Enrolment {
		fields := rapid.MapOfN(words(), words(), 0, 3)
		return broker.Enrolment{
			Kind: broker.EnrolmentKind(words().Draw(t, "kind")), Name: words().Draw(t, "name"), Environment: words().Draw(t, "environment"),
			TokenSerial: words().Draw(t, "serial"), Pins: fields.Draw(t, "pins"), Findings: fields.Draw(t, "findings"), At: moments().Draw(t, "at"),
		}
	})
}

// Two enrolments have one record only when they are one.
func TestEnrolmentRecordIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := enrolments().Draw(rt, "a"), enrolments().Draw(rt, "b")
		if bytes.Equal(a.Record(), b.Record()) != cmp.Equal(a, b, cmpopts.EquateEmpty()) {
			rt.Fatalf("%+v\n%+v", a, b)
		}
		moved := a
		moved.Pins, moved.Findings = a.Findings, a.Pins
		if bytes.Equal(a.Record(), moved.Record()) != cmp.Equal(a, moved, cmpopts.EquateEmpty()) {
			rt.Fatalf("pins taken for findings: %+v", a)
		}
	})
}

// flipped yields a value once for each of its fields, with that field changed.
func flipped[T any](t *testing.T, of T, skip string, each func(field string, v T)) {
	t.Helper()
	for i := range reflect.TypeFor[T]().NumField() {
		v := of
		name := reflect.TypeFor[T]().Field(i).Name
		if name == skip {
			continue
		}
		switch field := reflect.ValueOf(&v).Elem().Field(i); field.Interface().(type) {
		case time.Time:
			field.Set(reflect.ValueOf(field.Interface().(time.Time).Add(time.Microsecond)))
		case map[string]string:
			field.Set(reflect.ValueOf(map[string]string{"field": "value", "more": ""}))
		case map[string]any:
			field.Set(reflect.ValueOf(map[string]any{"field": "other"}))
		case map[string]broker.Link:
			field.Set(reflect.ValueOf(map[string]broker.Link{"key k": {Seq: 3, Hash: "a"}}))
		case broker.Actor:
			field.Set(reflect.ValueOf(broker.Actor{User: "another"}))
		default:
			flipPlain(t, field)
		}
		each(name, v)
	}
}

func flipPlain(t *testing.T, field reflect.Value) {
	t.Helper()
	switch field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Int, reflect.Int64:
		field.SetInt(field.Int() + 1)
	default:
		t.Fatalf("%s: teach the test to flip it", field.Type())
	}
}

func TestEveryFieldIsInTheEnrolmentsRecord(t *testing.T) {
	t.Parallel()
	e := broker.Enrolment{
		Kind: broker.EnrolTarget, Name: "n", Environment: "test", TokenSerial: "1", At: checkedAt,
		Pins: map[string]string{"field": "value"}, Findings: map[string]string{"field": "value"},
	}
	flipped(t, e, "Seal", func(field string, v broker.Enrolment) {
		if bytes.Equal(e.Record(), v.Record()) {
			t.Errorf("another %s, the same record", field)
		}
	})
}

func TestEveryFieldIsInTheHeadsRecord(t *testing.T) {
	t.Parallel()
	h := broker.Head{Seq: 7, Hash: "ab", Operation: "op", At: checkedAt}
	flipped(t, h, "Seal", func(field string, v broker.Head) {
		if bytes.Equal(h.Record(), v.Record()) {
			t.Errorf("another %s, the same record", field)
		}
	})
	h.At = checkedAt.Add(999)
	if !bytes.Equal(h.Record(), broker.Head{Seq: 7, Hash: "ab", Operation: "op", At: checkedAt.In(time.FixedZone("x", 60))}.Record()) {
		t.Error("the record keeps what no store keeps: zones, or less than a microsecond")
	}
}

func TestEveryFieldIsInTheEntrysHash(t *testing.T) {
	t.Parallel()
	prev := broker.Head{Seq: 3, Hash: "aa"}
	e := broker.Entry{
		At: checkedAt, Event: "import.begun", Operation: "op", Key: "k", Number: 1, Target: "t", Actor: broker.Actor{User: "u"},
		Principal: "p", Reason: "r", Ticket: "1", Details: map[string]any{"field": "value"}, State: "s", Links: map[string]broker.Link{"key k": {Seq: 2, Hash: "a"}},
	}
	base, err := e.Chained(prev)
	must(t, err)
	flipped(t, e, "", func(field string, v broker.Entry) {
		other, err := v.Chained(prev)
		must(t, err)
		byStore := field == "Seq" || field == "Prev" || field == "Hash"
		if (other.Hash == base.Hash) != byStore {
			t.Errorf("another %s: the hash is the same: %v", field, other.Hash == base.Hash)
		}
	})
	for name, head := range map[string]broker.Head{"number": {Seq: 4, Hash: "aa"}, "hash": {Seq: 3, Hash: "ab"}} {
		other, err := e.Chained(head)
		must(t, err)
		if other.Hash == base.Hash {
			t.Errorf("after an entry of another %s, the same hash", name)
		}
	}
}

func TestEntryChain(t *testing.T) {
	t.Parallel()
	first, err := broker.Entry{Event: "e", At: checkedAt.Add(1500)}.Chained(broker.Head{})
	must(t, err)
	if first.Seq != 1 || first.Prev != broker.GenesisHash || !first.At.Equal(checkedAt.Add(time.Microsecond)) {
		t.Errorf("the first entry: %+v", first)
	}
	again, err := first.Chained(broker.Head{})
	must(t, err)
	if again.Hash != first.Hash {
		t.Error("an entry that was read back has another hash")
	}
	if h := first.Head(); h.Seq != 1 || h.Hash != first.Hash || !h.At.Equal(first.At) {
		t.Errorf("its head: %+v", h)
	}
	if _, err := (broker.Entry{Event: "e", Details: map[string]any{"c": make(chan int)}}).Chained(broker.Head{}); err == nil {
		t.Error("an entry that cannot be written was hashed")
	}
}

// The chain's form never changes: an audit that was written stays one.
func TestEntryHashIsForEver(t *testing.T) {
	t.Parallel()
	e, err := broker.Entry{At: checkedAt, Event: "import.begun", Key: "k", Actor: broker.Actor{User: "u", Host: "h"}, Details: map[string]any{"b": 1, "a": "<"}}.Chained(broker.Head{})
	must(t, err)
	text, err := json.Marshal(e)
	must(t, err)
	want := `{"seq":1,"at":"2026-03-01T12:00:00Z","event":"import.begun","key":"k","actor":{"user":"u","host":"h"},"details":{"a":"\u003c","b":1},` +
		`"prev":"` + broker.GenesisHash + `","hash":"` + e.Hash + `"}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

func TestEnrolmentMatches(t *testing.T) {
	t.Parallel()
	e := broker.Enrolment{Kind: broker.EnrolTarget, Name: "aws", Environment: "test", Pins: map[string]string{"account": "1", "region": "r", "ca": ""}}
	must(t, e.Matches("test", map[string]string{"account": "1", "region": "r", "ca": ""}))
	for name, pins := range map[string]map[string]string{
		"another value": {"account": "2", "region": "r", "ca": ""},
		"one missing":   {"account": "1", "ca": ""},
		"one more":      {"account": "1", "region": "r", "ca": "", "endpoint": ""},
		"nothing":       nil,
	} {
		err := e.Matches("test", pins)
		if broker.KindOf(err) != broker.Tampered || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := e.Matches("production", e.Pins); broker.KindOf(err) != broker.Tampered || err == nil {
		t.Errorf("another environment: %v", err)
	}
	err := e.Matches("test", map[string]string{"account": "2", "region": "r", "ca": ""})
	if got := fmt.Sprint(err); !bytes.Contains([]byte(got), []byte(`account is "2" in the config, "1" was enrolled`)) {
		t.Errorf("%s: names not the field and both values", got)
	}
}

func TestEnrolmentSealed(t *testing.T) {
	t.Parallel()
	e := broker.Enrolment{Name: "aws", Seal: []byte{1, 2}}
	must(t, e.Sealed([]byte{1, 2}))
	for _, mac := range [][]byte{nil, {}, {1}, {1, 3}, {1, 2, 3}} {
		if err := e.Sealed(mac); broker.KindOf(err) != broker.Tampered || err == nil {
			t.Errorf("%x: %v", mac, err)
		}
	}
	if err := (broker.Enrolment{}).Sealed(nil); err == nil {
		t.Error("no seal is taken for the right one")
	}
}
