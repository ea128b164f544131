package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// stoppedAt lets the process stand still for longer than its lease when a call
// begins, while another run takes over and finishes.
func (w *world) stoppedAt(t *testing.T, call string, req broker.ImportRequest) {
	t.Helper()
	w.inject = func(c string, before bool) error {
		if c != call || !before {
			return nil
		}
		w.inject = nil
		w.now = w.now.Add(11 * time.Minute)
		if _, err := w.run(nil).Import(t.Context(), req); err != nil {
			t.Errorf("the run that took over: %v", err)
		}
		return nil
	}
}

// objects of a key's material in the token.
func (w *world) objects(t *testing.T, name string) int {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range w.token.Objects(t.Context(), broker.ObjectQuery{ID: view.Versions[0].Material.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A machine that was suspended in the middle makes no second material.
func TestStoppedBeforeItGenerates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.stoppedAt(t, "token Generate", lines()[0])
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); err == nil {
		t.Error("the run that stood still finished too")
	}
	w.exactlyOne(t, "aes")
	if n := w.objects(t, "aes"); n != 1 {
		t.Errorf("%d objects in the token", n)
	}
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(24 * time.Hour)}); err != nil {
		t.Errorf("renew: %v", err)
	}
}

// Nor does it destroy what another run made in place of the half that it found.
func TestStoppedBeforeItDiscards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := lines()[2]
	req.Retain = broker.RetainToken
	ctx, cancel := context.WithCancel(t.Context())
	w.inject = func(call string, before bool) error {
		if call == "token Generate" && !before {
			cancel()
			return errKilled
		}
		return nil
	}
	if _, err := w.run(nil).Import(ctx, req); err == nil {
		t.Fatal("it was not killed")
	}
	w.inject = nil
	view, err := w.store.Key(t.Context(), "ec")
	if err != nil {
		t.Fatal(err)
	}
	w.token.Lose(view.Versions[0].MaterialID(), "public")
	w.stoppedAt(t, "token Change", req)
	if _, err := w.run(nil).Import(t.Context(), req); err == nil {
		t.Error("the run that stood still finished too")
	}
	w.exactlyOne(t, "ec")
	if n := w.objects(t, "ec"); n != 2 {
		t.Errorf("the token holds %d objects of active material", n)
	}
	if c := w.verified(t, "ec"); !c.OK {
		t.Errorf("%+v", c)
	}
}

// A finished import that is half taken back is neither done nor to be gone on with.
func TestAHalfAbortedFinishedImport(t *testing.T) {
	t.Parallel()
	for at, before := range map[string]bool{"target schedule": true, "target deactivate": false} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := finished(t)
			abort := broker.AbortRequest{Operation: w.importOf("aes"), Why: broker.Why{Reason: "unwanted"}}
			w.inject = func(call string, now bool) error {
				if call == at && now == before {
					return broker.Denied
				}
				return nil
			}
			if _, err := w.run(nil).Abort(t.Context(), abort); err == nil {
				t.Fatal("it was not killed")
			}
			w.inject = nil
			_, imported := w.run(nil).Import(t.Context(), lines()[0])
			_, activated := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "aes"})
			_, renewed := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(24 * time.Hour)})
			for _, err := range []error{imported, activated, renewed} {
				if !errors.Is(err, broker.Conflict) {
					t.Errorf("it went on: %v", err)
				}
			}
			if _, err := w.run(nil).Abort(t.Context(), abort); err != nil {
				t.Fatal(err)
			}
			w.takenBack(t)
		})
	}
}

// A renewal that is given up although it had arrived: the record has the end that
// the target shows.
func TestAnAbortedRenewalThatArrived(t *testing.T) {
	t.Parallel()
	w := finished(t)
	w.inject = func(call string, before bool) error {
		if call == "target import" && !before {
			return errKilled
		}
		return nil
	}
	end := w.now.Add(24 * time.Hour)
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: end}); err == nil {
		t.Fatal("it was not stopped")
	}
	w.inject = nil
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{KeyName: "aes"}) {
		if err != nil {
			t.Fatal(err)
		}
		if op.Operation.Kind != broker.OpRenew {
			continue
		}
		if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: op.Operation.ID, Why: broker.Why{Reason: "unwanted"}}); err != nil {
			t.Fatal(err)
		}
	}
	w.ends(t, end)
}
