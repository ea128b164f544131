package broker_test

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// replaceAt exchanges the target's material when a call begins.
func (w *world) replaceAt(t *testing.T, name, call string, nth int) {
	t.Helper()
	other := make([]byte, 32)
	rand.Read(other)
	seen := 0
	w.inject = func(c string, before bool) error {
		if c != call || !before {
			return nil
		}
		if seen++; seen != nth {
			return nil
		}
		for _, held := range w.target.Report().Names[name] {
			if err := w.target.Replace(held.Version.Key, other); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
}

// A proof that failed stays failed, also for an import that was not to activate.
func TestAFailedProofIsNeverFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.replaceAt(t, "hmac", "target prove", 1)
	if _, err := w.run(nil).Import(t.Context(), staged()); !errors.Is(err, broker.Differs) {
		t.Fatal(err)
	}
	w.inject = nil
	for range 2 {
		if _, err := w.run(nil).Import(t.Context(), staged()); err == nil {
			t.Error("imported again, it finished")
		}
	}
	op, err := w.store.Operation(t.Context(), w.importOf("hmac"))
	if err != nil || op.Operation.State != broker.Failed {
		t.Errorf("on record: %s, %v", op.Operation.State, err)
	}
}

// The last proof, through what consumers use, fails: they get what they had.
func TestAFailedLastProofIsTakenFromConsumers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.replaceAt(t, "hmac", "target prove", 2)
	if _, err := w.run(nil).Import(t.Context(), lines()[1]); !errors.Is(err, broker.Differs) {
		t.Fatal(err)
	}
	w.inject = nil
	if seen := w.observe(t, broker.Query{Consumer: "alias/hmac"}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
	view, err := w.store.Key(t.Context(), "hmac")
	if err != nil || view.Versions[0].State != broker.Suspended || view.Placements[0].Step != broker.PlacementFailed {
		t.Errorf("on record: %+v, %v", view, err)
	}
}

// What a check finds to be other material is suspended, and never activated.
func TestAFailedCheckSuspends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, staged())
	other := make([]byte, 32)
	rand.Read(other)
	if err := w.target.Replace(w.refOf(t, "hmac").Key, other); err != nil {
		t.Fatal(err)
	}
	if c := w.verified(t, "hmac"); c.OK || c.Placement.Step != broker.PlacementFailed {
		t.Errorf("%+v", c)
	}
	if _, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"}); !errors.Is(err, broker.Conflict) {
		t.Errorf("activate: %v", err)
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/hmac"}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
}

// What was replaced since it was staged is found before consumers get it.
func TestActivationProvesWhatWasStagedLongAgo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, staged())
	w.now = w.now.Add(time.Hour)
	other := make([]byte, 32)
	rand.Read(other)
	if err := w.target.Replace(w.refOf(t, "hmac").Key, other); err != nil {
		t.Fatal(err)
	}
	activated := false
	w.inject = func(call string, _ bool) error {
		activated = activated || call == "target activate"
		return nil
	}
	if _, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"}); !errors.Is(err, broker.Differs) {
		t.Errorf("activate: %v", err)
	}
	if activated {
		t.Error("consumers got it for a moment")
	}
}

// A key that was changed between its making and the import gets no material.
func TestNothingIsSentIntoAChangedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call == "target wrapping-key" && before {
			t.Error("a wrapping key was asked for")
		}
		return nil
	}
	o := w.options()
	o.Targets[0].Provider = swapped{w.target}
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Import(t.Context(), lines()[1]); !errors.Is(err, broker.Undecided) {
		t.Errorf("%v; want undecided", err)
	}
}

// swapped answers every look at a key with another key policy.
type swapped struct{ *providers.Provider }

func (s swapped) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		for o, err := range s.Provider.Look(ctx, q) {
			o.PolicyMatch = false
			if !yield(o, err) {
				return
			}
		}
	}
}

// An abandoned operation stays so, whatever is asked of it.
func TestAnAbandonedOperationIsNotResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := lines()[0]
	req.NoActivate = true
	w.imported(t, req)
	operation := w.importOf("aes")
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: operation, Why: broker.Why{Reason: "not wanted"}}); err != nil {
		t.Fatal(err)
	}
	before := w.target.Report().Keys
	if _, err := w.run(nil).Resume(t.Context(), operation); !errors.Is(err, broker.Conflict) {
		t.Errorf("resume: %v", err)
	}
	if after := w.target.Report().Keys; after != before {
		t.Errorf("%d keys were made", after-before)
	}
}

// What is half taken back can only be taken back.
func TestAHalfAbandonedOperationIsNotResumed(t *testing.T) {
	t.Parallel()
	w := halted(t)
	operation := w.importOf("aes")
	w.inject = func(call string, before bool) error {
		if call == "target schedule" && before {
			return broker.Denied
		}
		return nil
	}
	abort := broker.AbortRequest{Operation: operation, Why: broker.Why{Reason: "not wanted"}}
	if _, err := w.run(nil).Abort(t.Context(), abort); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	if _, err := w.run(nil).Resume(t.Context(), operation); !errors.Is(err, broker.Conflict) {
		t.Errorf("resume: %v", err)
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) {
		t.Errorf("import: %v", err)
	}
	if _, err := w.run(nil).Abort(t.Context(), abort); err != nil {
		t.Errorf("abort: %v", err)
	}
	w.takenBack(t)
}

// A finished import with an end that has passed is still a finished import.
func TestImportAgainAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := ending(w)
	w.imported(t, req)
	w.now = w.now.Add(31 * 24 * time.Hour)
	again, err := w.run(nil).Import(t.Context(), req)
	if err != nil || !again.AlreadyDone {
		t.Errorf("done before %v, %v", again.AlreadyDone, err)
	}
}

func TestATargetNamedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := lines()[0]
	req.Targets = []string{"cloud", "cloud"}
	if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Misuse) {
		t.Errorf("%v", err)
	}
}

// The same command some time later, with an end counted from now, is the same
// request: what is on record keeps its end.
func TestAnEndCountedFromNowIsNotAnotherRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	importing := func() (broker.Result, error) {
		req := lines()[0]
		req.ValidTo, req.FromNow = w.now.Add(30*24*time.Hour), true
		return w.run(nil).Import(t.Context(), req)
	}
	if _, err := importing(); err != nil {
		t.Fatal(err)
	}
	end := w.now.Add(30 * 24 * time.Hour)
	w.now = w.now.Add(time.Minute)
	if again, err := importing(); err != nil || !again.AlreadyDone {
		t.Errorf("imported again: %v", err)
	}
	w.ends(t, end)
	renewing := func() (broker.Result, error) {
		return w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(60 * 24 * time.Hour), FromNow: true})
	}
	end = w.now.Add(60 * 24 * time.Hour)
	w.inject = func(call string, before bool) error {
		if call == "target import" && before {
			return broker.Denied
		}
		return nil
	}
	if _, err := renewing(); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	w.now = w.now.Add(time.Minute)
	if _, err := renewing(); err != nil {
		t.Errorf("renewed again: %v", err)
	}
	w.ends(t, end)
}
