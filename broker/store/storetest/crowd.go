package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// crowd is how many write at the same time.
const crowd = 16

func crowdChecks() []check {
	return []check{
		{"many writers and readers disturb nobody", crowdWrites},
		{"of many who insert the same one does", crowdConflict},
		{"a context that ends at any time leaves all or nothing", crowdCancel},
	}
}

func holderName(i int) string { return fmt.Sprintf("holder-%02d", i) }

// small is a change that inserts a key and its operation.
func small(name string) broker.Change {
	return broker.Change{
		Entry:        broker.Entry{At: noon(), Event: "import.begun", Key: name},
		NewKey:       &broker.Key{ID: "id-" + name, Name: name, CreatedAt: noon()},
		NewOperation: &broker.Operation{ID: "op-" + name, KeyName: name, State: broker.Running, StartedAt: noon()},
	}
}

func crowdWrites(t *testing.T, open Open) {
	const each = 8
	stores := []broker.Store{open(t), open(t)}
	var wg sync.WaitGroup
	for i := range crowd {
		s := stores[i%2]
		wg.Go(func() {
			for n := range each {
				c := small(fmt.Sprintf("%s/%d", holderName(i), n))
				if _, err := s.Apply(t.Context(), c); err != nil {
					t.Errorf("apply: %v", err)
				}
				if got, err := s.Key(t.Context(), c.NewKey.Name); err != nil || got.Key.ID != c.NewKey.ID {
					t.Errorf("what was written is not read: %v", err)
				}
				wholeChain(t, s)
			}
		})
	}
	wg.Wait()
	got := readAll(t, stores[0])
	if len(got.Keys) != crowd*each || len(got.Operations) != crowd*each || len(got.Entries) != crowd*each {
		t.Errorf("%d keys, %d operations, %d entries, want %d of each", len(got.Keys), len(got.Operations), len(got.Entries), crowd*each)
	}
}

// wholeChain reads the audit while others write it: what is read is a chain from
// its start, without a gap.
func wholeChain(t *testing.T, s broker.Store) {
	var last broker.Head
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Errorf("read audit: %v", err)
			return
		}
		want, err := e.Chained(last)
		if err != nil || want.Seq != e.Seq || want.Hash != e.Hash || want.Prev != e.Prev {
			t.Errorf("entry %d does not follow %d", e.Seq, last.Seq)
			return
		}
		last = e.Head()
	}
}

func crowdConflict(t *testing.T, open Open) {
	stores := []broker.Store{open(t), open(t)}
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			_, err := stores[i%2].Apply(t.Context(), small("same"))
			if err == nil {
				won.Add(1)
			} else if broker.KindOf(err) != broker.Conflict {
				t.Errorf("apply: %v", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d inserted it, want 1", n)
	}
	if n := len(readAll(t, stores[1]).Entries); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// crowdCancel ends contexts at ever later times: what was acknowledged is there,
// what was not is not, and the next change goes through.
func crowdCancel(t *testing.T, open Open) {
	s := open(t)
	const rounds = 40
	done := 0
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*3*time.Microsecond)
		c := small(holderName(i))
		_, err := s.Apply(ctx, c)
		cancel()
		_, readErr := s.Key(t.Context(), c.NewKey.Name)
		if err == nil {
			done++
			must(t, readErr)
		} else {
			refused(t, "cancelled", err, broker.Unavailable)
			refused(t, "read what was cancelled", readErr, broker.NotFound)
		}
	}
	apply(t, s, small("last"))
	wholeChain(t, s)
	if n := len(readAll(t, s).Entries); n != done+1 {
		t.Errorf("%d entries, want %d", n, done+1)
	}
}
