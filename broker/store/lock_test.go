package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

func TestWriteLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	path := sample(t)
	impatient, err := store.Open(t.Context(), store.Options{Path: path, Wait: 20 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { must(t, impatient.Close()) })
	other := startChild(t, "write-lock", path)
	other.line(t)

	_, err = impatient.Apply(t.Context(), numbered(100))
	explains(t, err, broker.Unavailable, path, "locked", "another process holds the database")
	explains(t, impatient.Lease(t.Context(), leaseFor("me")), broker.Unavailable, path, "another process")
	_, err = impatient.Key(t.Context(), "key-000001") // who only reads does not wait
	must(t, err)

	answer := make(chan error)
	patient := opened(t, path)
	go func() {
		_, err := patient.Apply(t.Context(), numbered(100))
		answer <- err
	}()
	must(t, other.stdin.Close())
	must(t, <-answer)
	_, err = impatient.Apply(t.Context(), numbered(101))
	must(t, err)
}

func TestOpenLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	path := sample(t)
	other := startChild(t, "exclusive-lock", path)
	other.line(t)
	openFails(t, path, broker.Unavailable, "locked", "another process holds the database")
	must(t, other.stdin.Close())
	must(t, other.Wait())
	must(t, opened(t, path).Check(t.Context()))
}

// Who gives up waits no longer.
func TestCancelledWhileLocked(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s, err := store.Open(t.Context(), store.Options{Path: path, Wait: time.Hour})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	other := startChild(t, "write-lock", path)
	other.line(t)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		_, err := s.Apply(ctx, numbered(100))
		answer <- err
	}()
	cancel()
	err = <-answer
	if broker.KindOf(err) != broker.Unavailable {
		t.Errorf("%v: want unavailable", err)
	}
	must(t, other.stdin.Close())
	_, err = s.Apply(t.Context(), numbered(100))
	must(t, err)
}

// The lease of a process that was killed is taken by who knows that it is dead.
func TestLeaseOfAKilledProcess(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s := opened(t, path)
	other := startChild(t, "lease", path)
	other.line(t)
	mine := leaseFor("me")
	explains(t, s.Lease(t.Context(), mine), broker.Conflict, "key/a", fmt.Sprint(other.Process.Pid), "let it finish")
	must(t, other.Process.Kill())
	_ = other.Wait() // killed
	mine.Stale = func(holder string) bool { return holder == fmt.Sprint(other.Process.Pid) }
	must(t, s.Lease(t.Context(), mine))
}
