package storetest

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func auditChecks() []check {
	return []check{
		{"the audit is a chain from its first entry", auditChain},
		{"what an entry tells keeps its hash", auditDetails},
		{"a head is sealed as it is kept", auditSeal},
		{"the audit is read from any entry on", auditSince},
	}
}

func auditChain(t *testing.T, open Open) {
	s := open(t)
	var last broker.Head
	for i := range 5 {
		e := broker.Entry{At: at(i), Event: "e", Operation: "op", Seq: 77, Prev: "no", Hash: "no"}
		want, err := broker.Entry{At: at(i), Event: "e", Operation: "op"}.Chained(last)
		must(t, err)
		head := apply(t, open(t), broker.Change{Entry: e})
		equal(t, "head", broker.Head{Seq: want.Seq, Hash: want.Hash, Operation: "op", At: want.At}, head)
		last = head
	}
	wholeChain(t, s)
	equal(t, "no head was to be sealed", []broker.Head(nil), collect(t, s.Heads(t.Context(), 0)))
}

// auditDetails gives an entry all that JSON may change on its way.
func auditDetails(t *testing.T, open Open) {
	s := open(t)
	type evidence struct {
		B string `json:"b"`
		A int64  `json:"a"`
	}
	for _, value := range []any{
		nil, true, "", "a\x00b", "\u2028<>&\"\\", "𝔘", int64(math.MaxInt64), uint64(math.MaxUint64), 1e21, 1e-7, 0.1, math.Copysign(0, -1),
		json.Number("1e2"), json.RawMessage(`{"z": 1.50, "a": [ ]}`),
		[]byte{0, 255},
		noon(),
		evidence{"x", 1},
		map[string]any{"b": []any{1, "2", nil}, "a": map[string]int{}},
		[]string(nil),
	} {
		before := len(collect(t, s.Entries(t.Context(), 0)))
		head := apply(t, s, broker.Change{Entry: broker.Entry{Event: "e", Details: map[string]any{"value": value}}})
		entries := collect(t, s.Entries(t.Context(), int64(before)))
		if len(entries) != 1 || entries[0].Hash != head.Hash {
			t.Fatalf("%#v: %d entries", value, len(entries))
		}
		want, err := json.Marshal(value)
		must(t, err)
		got, err := json.Marshal(entries[0].Details["value"])
		must(t, err)
		equal(t, "detail", normal(t, want), normal(t, got))
	}
	wholeChain(t, s)
}

// normal keeps numbers as they are written.
func normal(t *testing.T, text []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	must(t, d.Decode(&v))
	return v
}

func auditSeal(t *testing.T, open Open) {
	s := open(t)
	var given []broker.Head
	for i := range 3 {
		c := broker.Change{Entry: broker.Entry{At: at(i), Event: "finished", Operation: "op"}}
		c.Seal = func(h broker.Head) ([]byte, error) {
			given = append(given, h)
			return h.Record(), nil
		}
		apply(t, s, c)
		apply(t, s, broker.Change{}) // an entry between heads
	}
	heads := collect(t, open(t).Heads(t.Context(), 0))
	if len(heads) != 3 || len(given) != 3 {
		t.Fatalf("%d heads of %d sealed ones, want 3", len(heads), len(given))
	}
	for i, h := range heads {
		if h.Seq != int64(2*i+1) {
			t.Errorf("head %d is of entry %d: out of order", i, h.Seq)
		}
		if string(h.Seal) != string(h.Record()) || string(h.Seal) != string(given[i].Record()) {
			t.Errorf("head %d: what is kept is not what was sealed", i)
		}
	}
}

func auditSince(t *testing.T, open Open) {
	s := open(t)
	const n = 10
	for i := range n {
		apply(t, s, broker.Change{Entry: broker.Entry{At: at(i), Event: "e"}})
	}
	for after := int64(0); after <= n+1; after++ {
		got := collect(t, s.Entries(t.Context(), after))
		if len(got) != int(max(n-after, 0)) || len(got) > 0 && got[0].Seq != after+1 {
			t.Errorf("after %d: %d entries", after, len(got))
		}
	}
	for e, err := range s.Entries(t.Context(), 0) {
		must(t, err)
		if e.Seq == 3 {
			break // a reader that has enough holds nobody up
		}
	}
	apply(t, s, broker.Change{})
}
