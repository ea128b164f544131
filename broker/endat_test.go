package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// A policy's life of a version ends it where there is an end, and the plan says where
// there is none.
func TestAPolicysLifeCountsWhereThereIsAnEnd(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.policy = broker.Policy{Name: "ending", ValidFor: 90 * day}
	req := everywhere("k", broker.ECP256)
	req.Policy = "ending"
	planned, err := w.run(nil).PlanImport(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range planned.Targets {
		endless := row.Target == "numbered"
		if row.ValidTo.IsZero() != endless || strings.HasPrefix(row.Note, "no end there: ") != endless {
			t.Errorf("planned: %+v", row)
		}
	}
	w.imported(t, req)
	w.oneEverywhere(t, "k", req.Targets...)
	view, err := w.store.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range view.Placements {
		if ends := p.ValidTo.Equal(w.now.Add(90 * day)); ends == (p.Target == "numbered") || !ends && !p.ValidTo.IsZero() {
			t.Errorf("at %s it ends %s", p.Target, p.ValidTo)
		}
	}
	if checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "k"}); err != nil || len(checks) != 3 {
		t.Errorf("verify: %+v, %v", checks, err)
	}
	if again, err := w.run(nil).Import(t.Context(), req); err != nil || !again.AlreadyDone {
		t.Errorf("imported again: %+v, %v", again.Operation.Operation, err)
	}
}

// Where nothing ends, a policy's life of a version sets no end anywhere.
func TestAPolicysLifeWhereNothingEnds(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.policy = broker.Policy{Name: "ending", ValidFor: 90 * day}
	req := everywhere("k", broker.ECP256)
	req.Policy, req.Targets = "ending", []string{"numbered"}
	done := w.imported(t, req)
	if got := done.Operation.Operation.Params.ValidTo; !got.IsZero() {
		t.Errorf("its end is %s", got)
	}
	w.oneEverywhere(t, "k", "numbered")
}

// An end that was asked for is refused for all where one target has none.
func TestAnEndThatWasAskedForIsKeptEverywhereOrRefusedFirst(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	req := everywhere("k", broker.ECP256)
	req.ValidTo = w.now.Add(90 * day)
	w.refusedFirst(t, req, broker.Unsupported, "it has no expiry of its own")
	_, err := w.run(nil).Import(t.Context(), req)
	if told, ok := errors.AsType[*broker.Error](err); !ok || !strings.Contains(told.Hint, "name the other targets with --target") {
		t.Errorf("%+v", told)
	}
}
