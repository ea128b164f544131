package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// stopped is a world with so many imports that failed before their material was sent.
func stopped(t *testing.T, n int) (w *world, ids []string) {
	t.Helper()
	w = newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call == "target import" && before {
			return broker.Denied
		}
		return nil
	}
	for i := range n {
		req := broker.ImportRequest{Name: fmt.Sprint("k", i), Spec: broker.AES256, Targets: []string{"cloud"}}
		if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Denied) {
			t.Fatal(err)
		}
		ids = append(ids, w.importOf(req.Name))
	}
	w.inject = nil
	return w, ids
}

func TestResumeEachEndsAllThatCanEnd(t *testing.T) {
	t.Parallel()
	w, ids := stopped(t, 5)
	ids = slices.Insert(ids, 2, "20260101T000000-none")
	var ended []int
	for o := range w.run(nil).ResumeEach(t.Context(), ids, 3) {
		ended = append(ended, o.Index)
		if wrong := (o.Err != nil) != (o.Index == 2); wrong || o.Err == nil && o.Result.Operation.Operation.State != broker.Finished {
			t.Errorf("%d: %s, %v", o.Index, o.Result.Operation.Operation.State, o.Err)
		}
	}
	if slices.Sort(ended); !slices.Equal(ended, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("outcomes of %v", ended)
	}
	for i := range 5 {
		if held := w.target.Report().Names[fmt.Sprint("k", i)]; len(held) != 1 || held[0].SHA256 == "" {
			t.Errorf("k%d: the target holds %+v", i, held)
		}
	}
	w.auditHolds(t)
}

// What is under way when the caller's context ends is finished; no more is begun.
func TestResumeEachStopsBetweenOperations(t *testing.T) {
	t.Parallel()
	w, ids := stopped(t, 6)
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int32
	w.inject = func(call string, before bool) error {
		if call == "target import" && before && sent.Add(1) == 2 {
			cancel()
		}
		return nil
	}
	done := 0
	for o := range w.run(nil).ResumeEach(ctx, ids, 2) {
		if o.Err != nil {
			t.Error(o.Err)
		}
		done++
	}
	w.inject = nil
	left := 0
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{States: []broker.OperationState{broker.Failed}}) {
		if err != nil || op.Operation.State != broker.Failed {
			t.Error(op.Operation.State, err)
		}
		left++
	}
	if done < 2 || left == 0 || done+left != len(ids) {
		t.Errorf("%d ended, %d are left of %d", done, left, len(ids))
	}
}
