package broker_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// What an audit's text can say crashes nobody who holds it against its chain: an entry is
// whole exactly when it was chained, and about each thing once.
func FuzzEntry(f *testing.F) {
	for _, text := range []string{
		`{"seq":1,"at":"2026-11-24T09:30:05Z","event":"import.begun","operation":"o","key":"payments/db","number":1,"actor":{"user":"u"},"prev":"` + broker.GenesisHash + `","hash":""}`,
		`{"seq":2,"details":{"rows":{"key payments/db":"00","operation o":"11","version x/1":1e2}},"links":{"":{}},"state":"00"}`,
		`{"details":{"rows":[]}}`, `{"details":{"rows":{"":null,"key ":""}}}`, `{"at":"9999-12-31T23:59:59.999999999+14:00"}`, `{"seq":9223372036854775807}`, `{}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var e broker.Entry
		if decoder.Decode(&e) != nil {
			return
		}
		if about := e.Subjects(); !slices.IsSorted(about) || len(slices.Compact(slices.Clone(about))) != len(about) {
			t.Errorf("about %q", about)
		}
		was := e.Whole()
		chained, err := e.Chained(broker.Head{Seq: e.Seq - 1, Hash: e.Prev})
		switch {
		case err != nil && was:
			t.Errorf("whole, and cannot be chained: %v", err)
		case err == nil && !chained.Whole():
			t.Error("chained, and not whole")
		case was && chained.Hash != e.Hash:
			t.Error("whole, and of another hash")
		}
		if err == nil {
			chained.Reason += "x"
			if chained.Whole() {
				t.Error("edited, and whole")
			}
		}
	})
}
