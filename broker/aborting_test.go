package broker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// talking is a run whose log goes to w.
func (w *world) talking(t *testing.T, log interface{ Write([]byte) (int, error) }) *broker.Broker {
	t.Helper()
	w.k = nil
	o := w.options()
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// denied makes a call fail before it has its effect.
func (w *world) denied(call string) {
	w.inject = func(c string, before bool) error {
		if c == call && before {
			return broker.Denied
		}
		return nil
	}
}

// A finished import whose abort stopped midway is neither finished nor to be resumed:
// it is found as what it is, and the same abort goes on and tells all of it.
func TestAnAbortThatStoppedIsSeenAndGoesOn(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.imported(t, everywhere("k", broker.ECP384))
	abort := broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "not wanted"}}
	w.denied("numbered schedule") // the last of the three
	_, err := w.run(nil).Abort(t.Context(), abort)
	e, ok := errors.AsType[*broker.Error](err)
	if !ok || !errors.Is(err, broker.Denied) || !strings.HasPrefix(err.Error(), "abort import of key k: ") {
		t.Fatalf("it says %v", err)
	}
	if !strings.Contains(e.Hint, "operation abort "+abort.Operation) || strings.Contains(e.Hint, "resume") {
		t.Errorf("it advises %q", e.Hint)
	}
	w.inject = nil
	w.isAborting(t, abort.Operation)
	done, err := w.run(nil).Abort(t.Context(), abort)
	if err != nil || len(done.Keys) != 3 {
		t.Fatalf("aborted again: %+v, %v", done, err)
	}
	for _, k := range done.Keys {
		p, _ := w.view(t, "k").Placement(1, k.Target)
		window := map[string]time.Duration{"newest": newest().Deletion.Default, "numbered": numbered().Deletion.Default, "cloud": quick().Deletion.Default}[k.Target]
		if k.Version != p.Version || k.Version.ID == "" && k.Target != "cloud" || k.State != broker.RemoteScheduled || !k.DeletionAt.Equal(w.now.Add(window)) {
			t.Errorf("taken back: %+v, want %+v in %s", k, p.Version, window)
		}
	}
	w.auditHolds(t)
}

// isAborting: it is listed as unfinished, and does not go on.
func (w *world) isAborting(t *testing.T, id string) {
	t.Helper()
	var listed []string
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{States: []broker.OperationState{broker.Aborting}}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, op.Operation.ID)
		if op.Standing() != broker.Aborting || op.Resumable() == nil {
			t.Errorf("it is %s, and may be resumed: %v", op.Standing(), op.Resumable())
		}
	}
	if len(listed) != 1 || listed[0] != id {
		t.Errorf("being taken back are %v", listed)
	}
	_, err := w.run(nil).Resume(t.Context(), id)
	if e, ok := errors.AsType[*broker.Error](err); !ok || e.Kind != broker.Conflict || !strings.Contains(e.Hint, "operation abort "+id) {
		t.Errorf("resume: %v", err)
	}
	if plan, err := w.run(nil).PlanAbort(t.Context(), broker.AbortRequest{Operation: id}); err != nil || plan.Operation.State != broker.Aborting {
		t.Errorf("the plan of its abort says %s, %v", plan.Operation.State, err)
	}
	checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: w.operation(t, id).KeyName})
	if back := func(c broker.Check) bool {
		return !c.OK && (c.Placement.Step == broker.PlacementIntended || strings.Contains(c.Detail, "it was taken back"))
	}; err != nil || !slices.ContainsFunc(checks, back) {
		t.Errorf("verified: %+v, %v", checks, err)
	}
}

func (w *world) operation(t *testing.T, id string) broker.Operation {
	t.Helper()
	op, err := w.store.Operation(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return op.Operation
}

func (w *world) view(t *testing.T, name string) broker.KeyView {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// Whatever state an operation stopped in: half taken back, it never advises to resume.
func TestNoAdviceToResumeWhatIsBeingTakenBack(t *testing.T) {
	t.Parallel()
	w := halted(t)
	id := w.importOf("aes")
	w.denied("target schedule")
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: id, Why: broker.Why{Reason: "not wanted"}}); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.isAborting(t, id)
	_, imported := w.run(nil).Import(t.Context(), lines()[0])
	_, renewed := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(24 * time.Hour)})
	for _, err := range []error{imported, renewed} {
		if e, ok := errors.AsType[*broker.Error](err); !ok || e.Kind != broker.Conflict || strings.Contains(e.Hint, "resume") {
			t.Errorf("it says %v, and advises %+v", err, e)
		}
	}
}

// slowly is a world with one target like Azure's, which settles no sooner than an hour.
func slowly(t *testing.T) *world {
	t.Helper()
	w := bareWorld(t, quick())
	caps := newest()
	caps.Settle = time.Hour
	w.others = []broker.Target{{
		Name: "azure", Provider: targetCalled(w, "azure", caps), Environment: "test", Genuine: true,
		Pins: map[string]string{broker.PinAccount: account, "region": "there"},
	}}
	w.enrol()
	return w
}

// What is settled on record has no late twin: nothing is waited for.
func TestAbortOfASettledImportDoesNotWait(t *testing.T) {
	t.Parallel()
	w := slowly(t)
	w.imported(t, at("k", "azure"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // an hour, if it waits
	defer cancel()
	if _, err := w.run(nil).Abort(ctx, broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "not wanted"}}); err != nil {
		t.Fatal(err)
	}
}

// Nor is a target waited for again that is done with on record, also once its key is
// gone for good.
func TestAnAbortThatGoesOnDoesNotWaitForWhatIsDone(t *testing.T) {
	t.Parallel()
	w := slowly(t)
	req := at("k", "azure")
	req.Targets = append(req.Targets, "cloud")
	w.imported(t, req)
	abort := broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "not wanted"}}
	w.denied("target schedule")
	if _, err := w.run(nil).Abort(t.Context(), abort); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	if p, _ := w.view(t, "k").Placement(1, "azure"); p.Step != broker.PlacementAbandoned {
		t.Fatalf("at azure it is %s", p.Step)
	}
	w.inject, w.now = nil, w.now.Add(91*24*time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done, err := w.run(nil).Abort(ctx, abort)
	if err != nil || len(done.Keys) != 2 {
		t.Errorf("%+v, %v", done, err)
	}
}

// clockwork lets the target settle as soon as somebody says that it is waited for.
type clockwork struct {
	bytes.Buffer

	w *world
}

func (c *clockwork) Write(line []byte) (int, error) {
	c.w.now = c.w.now.Add(time.Minute)
	return c.Buffer.Write(line)
}

// An import whose answer is not on record is waited for, aloud, and what it brings late
// is taken back with the rest.
func TestAbortWaitsForWhatMayStillCome(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.inject = func(c string, before bool) error {
		if c == "newest import" && before {
			cancel() // nobody is there to look what became of it
			return providers.Late{After: time.Minute}
		}
		return nil
	}
	if _, err := w.run(nil).Import(ctx, at("k", "newest")); err == nil {
		t.Fatal("it was not stopped")
	}
	w.inject = nil
	log := &clockwork{w: w}
	done, err := w.talking(t, log).Abort(t.Context(), broker.AbortRequest{Operation: w.importOf("k"), Why: broker.Why{Reason: "not wanted"}})
	if err != nil || len(done.Scheduled) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	for _, want := range []string{"waiting for the target", "target=newest", "an import whose answer is not on record", "at_most=20ms"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("it says\n%swant in it: %s", log.String(), want)
		}
	}
	for _, v := range w.provider("newest").Report().Names["k"] {
		if v.State != broker.RemoteScheduled {
			t.Errorf("it left %+v", v)
		}
	}
}

// Active already, it says by which operation.
func TestActivateAgainNamesWhatActivatedIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, staged())
	first, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"})
	if err != nil || !again.AlreadyDone || again.Operation.Operation.ID != first.Operation.Operation.ID || first.Operation.Operation.ID == "" {
		t.Errorf("again: %+v, %v", again, err)
	}
}
