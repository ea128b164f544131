package storetest

import (
	"fmt"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func indexChecks() []check {
	return []check{
		{"the audit tells all that is about a subject, and nothing else", toldAll},
		{"an audit that was written without an index gets one", indexedLater},
		{"the end of the audit is handed out before it is chained to", endTrusted},
		{"keys are found by id and by material", foundByIdentity},
	}
}

func sealed(h broker.Head) ([]byte, error) { return h.Record(), nil }

// toldAll writes entries about several keys in turn, and about a target's enrolment.
func toldAll(t *testing.T, open Open) {
	s := open(t)
	for i := range 40 {
		apply(t, s, broker.Change{Entry: broker.Entry{At: at(i), Event: "e", Key: fmt.Sprint("k", i%7)}, Seal: sealed})
		tellsAll(t, open(t), i+1)
	}
	for _, e := range collect(t, s.Entries(t.Context(), 0)) {
		if e.State == "" || len(e.Links) != min(1, int(e.Seq-1)/7) {
			t.Errorf("entry %d has the state %q and links %v", e.Seq, e.State, e.Links)
		}
	}
}

// tellsAll holds what is told of each of seven keys against the whole audit.
func tellsAll(t *testing.T, s broker.Store, entries int) {
	t.Helper()
	all := collect(t, s.Entries(t.Context(), 0))
	for k := range 8 { // one of which nothing is told
		subject := broker.KeySubject(fmt.Sprint("k", k))
		told, err := s.Told(t.Context(), subject)
		must(t, err)
		var want []broker.Entry
		for _, e := range all {
			if broker.KeySubject(e.Key) == subject {
				want = append(want, e)
			}
		}
		equal(t, subject, want, told.Entries)
		equal(t, "the end", all[entries-1], told.Entry)
		state, err := told.Path.State(subject)
		must(t, err)
		if state != told.Entry.State {
			t.Errorf("%s: its path leads to %s, the last entry has %s", subject, state, told.Entry.State)
		}
	}
}

func indexedLater(t *testing.T, open Open) {
	s := open(t)
	for i := range 20 {
		apply(t, s, broker.Change{Entry: broker.Entry{At: at(i), Event: "e", Key: fmt.Sprint("k", i%7)}})
	}
	told, err := s.Told(t.Context(), broker.KeySubject("k1"))
	must(t, err)
	if told.Entry.State != "" || len(told.Entries) != 0 {
		t.Errorf("without an index it tells of %d entries, with the state %q", len(told.Entries), told.Entry.State)
	}
	apply(t, s, broker.Change{Entry: broker.Entry{At: at(20), Event: "e", Key: "k6"}, Seal: sealed})
	tellsAll(t, s, 21)
	if told, err = s.Told(t.Context(), broker.KeySubject("k1")); err != nil || len(told.Heads) != 3 {
		t.Errorf("heads of entries without a state: %v, %v", told.Heads, err)
	}
	apply(t, s, broker.Change{Entry: broker.Entry{At: at(21), Event: "e", Key: "k1"}, Seal: sealed})
	tellsAll(t, s, 22)
}

func endTrusted(t *testing.T, open Open) {
	s := open(t)
	var last broker.Head
	for i := range 3 {
		c := broker.Change{Entry: broker.Entry{At: at(i), Event: "e", Key: "k"}, Seal: sealed}
		c.Trust = func(end broker.Ended) error {
			equal(t, "the last entry", last.Hash, end.Entry.Hash)
			equal(t, "its head", last, end.Head)
			return nil
		}
		last = apply(t, s, c)
	}
	_, err := s.Apply(t.Context(), broker.Change{Entry: broker.Entry{Event: "e"}, Trust: func(broker.Ended) error { return broker.Tampered }})
	refused(t, "a change whose audit is not trusted", err, broker.Tampered)
	if told, err := s.Told(t.Context(), ""); err != nil || told.Entry.Hash != last.Hash {
		t.Errorf("after that the audit ends with %d: %v", told.Entry.Seq, err)
	}
}

func foundByIdentity(t *testing.T, open Open) {
	s := open(t)
	for i := range 3 {
		id := fmt.Sprint("id", i)
		apply(t, s, broker.Change{
			NewKey:     &broker.Key{ID: id, Name: fmt.Sprint("k", i), CreatedAt: at(i)},
			NewVersion: &broker.KeyVersion{KeyID: id, Number: 1, State: broker.PreActivation, Retain: broker.RetainToken, CreatedAt: at(i)},
		})
		apply(t, s, broker.Change{Version: &broker.KeyVersion{
			KeyID: id, Number: 1, State: broker.Active, Retain: broker.RetainToken, CreatedAt: at(i), Material: broker.Material{ID: broker.MaterialID("m" + id)},
		}})
	}
	for what, f := range map[string]broker.KeyFilter{"id": {ID: "id1"}, "material": {Material: "mid1"}, "both": {ID: "id1", Material: "mid1"}} {
		found := collect(t, s.Keys(t.Context(), f))
		if len(found) != 1 || found[0].Key.Name != "k1" {
			t.Errorf("by %s: %+v", what, found)
		}
	}
	if found := collect(t, s.Keys(t.Context(), broker.KeyFilter{ID: "id1", Material: "mid2"})); len(found) != 0 {
		t.Errorf("by the id of one and the material of another: %+v", found)
	}
}
