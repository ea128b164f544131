package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func leaseChecks() []check {
	return []check{
		{"a lease has one holder", leaseHolder},
		{"a lease runs out", leaseRunsOut},
		{"the lease of a dead holder is taken at once", leaseStale},
		{"a lease needs a name, a holder and time to come", leaseMisuse},
		{"a change is written under a lease that is held", leaseHeld},
		{"of many who want a lease one gets it", leaseCrowd},
	}
}

// lease asks for the lease of a key from second now to second until.
func lease(holder string, now, until int) broker.Lease {
	return broker.Lease{Name: "key/a", Holder: holder, Now: at(now), Until: at(until)}
}

func release(holder string) broker.Lease {
	return broker.Lease{Name: "key/a", Holder: holder, Release: true}
}

// leaseStep is one request and what it must be answered with.
type leaseStep struct {
	what string
	ask  broker.Lease
	want broker.Kind
}

// leaseScript asks in turn through two openings of one store.
func leaseScript(t *testing.T, open Open, steps []leaseStep) {
	t.Helper()
	stores := []broker.Store{open(t), open(t)}
	for i, step := range steps {
		refused(t, step.what, stores[i%2].Lease(t.Context(), step.ask), step.want)
	}
}

func leaseHolder(t *testing.T, open Open) {
	other := lease("two", 1, 60)
	other.Name = "key/b"
	leaseScript(t, open, []leaseStep{
		{"a free one is taken", lease("one", 0, 60), ""},
		{"a held one is not", lease("two", 1, 60), broker.Conflict},
		{"another key's is free", other, ""},
		{"its holder extends it", lease("one", 30, 90), ""},
		{"it was extended", lease("two", 61, 120), broker.Conflict},
		{"who does not hold it gives nothing back", release("two"), ""},
		{"it is still held", lease("two", 62, 120), broker.Conflict},
		{"its holder gives it back", release("one"), ""},
		{"then it is free", lease("two", 63, 120), ""},
		{"the one before cannot extend it", lease("one", 64, 120), broker.Conflict},
		{"to give back what is free is no error", release("one"), ""},
	})
}

func leaseRunsOut(t *testing.T, open Open) {
	leaseScript(t, open, []leaseStep{
		{"a free one is taken", lease("one", 0, 60), ""},
		{"a second before its end it is held", lease("two", 59, 120), broker.Conflict},
		{"at its end it is free", lease("two", 60, 120), ""},
		{"who came too late does not get it back", lease("one", 61, 120), broker.Conflict},
	})
}

func leaseStale(t *testing.T, open Open) {
	asked := ""
	withStale := func(dead bool) broker.Lease {
		l := lease("two", 1, 60)
		l.Stale = func(holder string) bool {
			asked = holder
			return dead
		}
		return l
	}
	leaseScript(t, open, []leaseStep{
		{"a free one is taken", lease("one", 0, 60), ""},
		{"its holder lives", withStale(false), broker.Conflict},
		{"its holder is dead", withStale(true), ""},
		{"it was taken", lease("one", 2, 60), broker.Conflict},
	})
	if asked != "one" {
		t.Errorf("it was asked whether %q is dead, want the holder", asked)
	}
}

func leaseMisuse(t *testing.T, open Open) {
	nameless, past, now := lease("one", 0, 60), lease("one", 60, 0), lease("one", 60, 60)
	nameless.Name = ""
	leaseScript(t, open, []leaseStep{
		{"no name", nameless, broker.Misuse},
		{"no holder", lease("", 0, 60), broker.Misuse},
		{"no holder to give back", release(""), broker.Misuse},
		{"until the past", past, broker.Misuse},
		{"until now", now, broker.Misuse},
		{"nothing was taken", lease("two", 0, 60), ""},
	})
}

func leaseHeld(t *testing.T, open Open) {
	s := open(t)
	write := func(what string, l broker.Lease, want broker.Kind) {
		t.Helper()
		before := len(collect(t, s.Entries(t.Context(), 0)))
		_, err := s.Apply(t.Context(), broker.Change{Entry: broker.Entry{Event: "e"}, Lease: &l})
		refused(t, what, err, want)
		if wrote := len(collect(t, s.Entries(t.Context(), 0))) > before; wrote != (want == "") {
			t.Errorf("%s: written %v", what, wrote)
		}
	}
	mine := lease("one", 0, 60)
	write("never taken", mine, broker.Conflict)
	must(t, s.Lease(t.Context(), mine))
	write("held", mine, "")
	write("held by another", lease("two", 0, 60), broker.Conflict)
	write("run out", lease("one", 60, 61), broker.Conflict)
	must(t, s.Lease(t.Context(), lease("two", 60, 120)))
	write("lost to another", lease("one", 61, 120), broker.Conflict)
	must(t, s.Lease(t.Context(), release("two")))
	write("given back", lease("two", 62, 120), broker.Conflict)
}

func leaseCrowd(t *testing.T, open Open) {
	stores := []broker.Store{open(t), open(t)}
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			err := stores[i%2].Lease(t.Context(), lease(holderName(i), 0, 60))
			if err == nil {
				won.Add(1)
			} else if broker.KindOf(err) != broker.Conflict {
				t.Errorf("lease: %v", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d hold the lease, want 1", n)
	}
}
