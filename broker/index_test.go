package broker_test

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

// shelf keeps an index as a store does: nodes by number, buckets by slot.
type shelf struct {
	nodes   map[int][]byte
	buckets map[int][]broker.IndexEnd
}

func newShelf() *shelf { return &shelf{map[int][]byte{}, map[int][]broker.IndexEnd{}} }

func (s *shelf) path(subject string) broker.IndexPath {
	node, bucket := broker.IndexSlot(subject)
	return broker.IndexPath{Root: s.nodes[-1], Node: s.nodes[node], Bucket: s.buckets[bucket]}
}

func (s *shelf) put(t *rapid.T, subject string, last broker.Link) (state string) {
	p := s.path(subject).With(subject, last)
	node, bucket := broker.IndexSlot(subject)
	s.nodes[-1], s.nodes[node], s.buckets[bucket] = p.Root, p.Node, p.Bucket
	state, err := p.State(subject)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// Whatever is put into an index is found there, by every path, and each path leads to
// the one state; the state is of what is in it, whatever the order.
func TestTheIndexFindsWhatWasPutIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, want, state := newShelf(), map[string]broker.IndexEnd{}, broker.EmptyState()
		subjects := rapid.SliceOfN(rapid.StringMatching(`key [a-d]{1,2}`), 0, 60).Draw(rt, "subjects")
		for i, subject := range subjects {
			link := broker.Link{Seq: int64(i + 1), Hash: fmt.Sprint("hash ", i)}
			state = s.put(rt, subject, link)
			want[subject] = broker.IndexEnd{Subject: subject, Link: link, Entries: want[subject].Entries + 1}
		}
		for subject := range maps.Keys(want) {
			p := s.path(subject)
			if got, err := p.State(subject); err != nil || got != state || p.Find(subject) != want[subject] {
				rt.Fatalf("%s: %+v with the state %s, %v; want %+v with %s", subject, p.Find(subject), got, err, want[subject], state)
			}
		}
		if end := s.path("key none").Find("key none"); end.Seq != 0 || end.Entries != 0 {
			rt.Fatalf("of nothing: %+v", end)
		}
	})
}

// Nothing of a path can be changed but that it leads elsewhere, or nowhere.
func TestEveryPartOfAnIndexPathCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, state := newShelf(), ""
		for i := range rapid.IntRange(1, 200).Draw(rt, "entries") {
			state = s.put(rt, fmt.Sprint("key ", i), broker.Link{Seq: int64(i + 1), Hash: "h"})
		}
		p := s.path("key 0")
		bucket := append([]broker.IndexEnd(nil), p.Bucket...)
		i := rapid.IntRange(0, len(bucket)-1).Draw(rt, "which")
		for name, edit := range map[string]func(){
			"subject": func() { bucket[i].Subject += "x" }, "number": func() { bucket[i].Seq++ }, "hash": func() { bucket[i].Hash += "x" },
			"count": func() { bucket[i].Entries-- }, "removed": func() { bucket = append(bucket[:i:i], bucket[i+1:]...) },
			"more": func() { bucket = append(bucket, broker.IndexEnd{Subject: "key none"}) },
		} {
			bucket = append([]broker.IndexEnd(nil), p.Bucket...)
			edit()
			differs(rt, name, broker.IndexPath{Root: p.Root, Node: p.Node, Bucket: bucket}, state)
		}
		for name, node := range map[string][]byte{"root": p.Root, "node": p.Node} {
			edited := append([]byte(nil), node...)
			edited[rapid.IntRange(0, len(edited)-1).Draw(rt, name)] ^= 1
			changed := broker.IndexPath{Root: p.Root, Node: p.Node, Bucket: p.Bucket}
			if name == "root" {
				changed.Root = edited
			} else {
				changed.Node = edited
			}
			differs(rt, name, changed, state)
			changed.Root = p.Root[:10]
			differs(rt, "a short root", changed, state)
		}
		differs(rt, "an empty root", broker.IndexPath{Node: p.Node, Bucket: p.Bucket}, state)
	})
}

func differs(t *rapid.T, what string, p broker.IndexPath, state string) {
	t.Helper()
	if got, err := p.State("key 0"); err == nil && got == state {
		t.Fatalf("%s changed, and the path still leads to the state", what)
	}
}
