// Package storetest holds the promises of broker.Store. Every store runs them:
//
//	storetest.Run(t, func(t TB) storetest.Open { … })
package storetest

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyferry/keyferry/broker"
)

// TB is a test, or one try of a property: what *testing.T and *rapid.T share.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
	Context() context.Context
}

// Open opens one store; every call opens the same one again, as another process
// would. What it opened is closed when the test ends.
type Open func(t TB) broker.Store

// Fresh prepares a new, empty store, which is gone when the test ends.
type Fresh func(t TB) Open

// check is one promise.
type check struct {
	name string
	run  func(t *testing.T, open Open)
}

// Run holds a store to every promise, each on a fresh one, at the same time.
func Run(t *testing.T, fresh Fresh) {
	for _, checks := range [][]check{applyChecks(), timeChecks(), leaseChecks(), auditChecks(), indexChecks(), listChecks(), recordChecks(), crowdChecks()} {
		for _, c := range checks {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, fresh(t))
			})
		}
	}
	t.Run("any sequence of changes reads as the model says", func(t *testing.T) {
		t.Parallel()
		machine(t, fresh)
	})
}

// everything is all that a store has to tell.
type everything struct {
	Keys       []broker.KeyView
	Operations []broker.OperationView
	Entries    []broker.Entry
	Heads      []broker.Head
	Enrolments []broker.Enrolment
	Wrapping   []broker.KeptWrappingKey
	Retained   []broker.Retained
	Keepers    []broker.KeptKeeper
}

func readAll(t TB, s broker.Store) everything {
	t.Helper()
	ctx := t.Context()
	enrolments, err := s.Enrolments(ctx)
	must(t, err)
	wrapping, err := s.WrappingKeys(ctx, "")
	must(t, err)
	keepers, err := s.Keepers(ctx)
	must(t, err)
	return everything{
		Wrapping:   wrapping,
		Retained:   collect(t, s.Retained(ctx, broker.RetainedFilter{})),
		Keepers:    keepers,
		Keys:       collect(t, s.Keys(ctx, broker.KeyFilter{})),
		Operations: collect(t, s.Operations(ctx, broker.OperationFilter{})),
		Entries:    collect(t, s.Entries(ctx, 0)),
		Heads:      collect(t, s.Heads(ctx, 0)),
		Enrolments: enrolments,
	}
}

func collect[T any](t TB, found iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range found {
		must(t, err)
		list = append(list, v)
	}
	return list
}

// equal compares what was read; nothing and empty are the same.
func equal(t TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

func must(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (kind %s)", err, broker.KindOf(err))
	}
}

// refused holds that err is of a kind, and "" that there is none.
func refused(t TB, what string, err error, kind broker.Kind) {
	t.Helper()
	switch {
	case kind == "" && err != nil:
		t.Fatalf("%s: %v (kind %s), want no error", what, err, broker.KindOf(err))
	case kind != "" && err == nil:
		t.Fatalf("%s: no error, want %s", what, kind)
	case kind != "" && (broker.KindOf(err) != kind || !errors.Is(err, kind)):
		t.Fatalf("%s: %v (kind %s), want %s", what, err, broker.KindOf(err), kind)
	}
}

func apply(t TB, s broker.Store, c broker.Change) broker.Head {
	t.Helper()
	if c.Entry.Event == "" {
		c.Entry.Event = "test.changed"
	}
	head, err := s.Apply(t.Context(), c)
	must(t, err)
	return head
}

// noon is when tests happen; at adds seconds to it.
func noon() time.Time { return time.Date(2031, 5, 17, 12, 0, 0, 0, time.UTC) }

func at(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }
