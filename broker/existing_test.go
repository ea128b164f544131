package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func (w *world) imported(t *testing.T, req broker.ImportRequest) broker.Result {
	t.Helper()
	result, err := w.run(nil).Import(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func staged() broker.ImportRequest {
	req := lines()[1]
	req.NoActivate = true
	return req
}

func TestStagedVersionIsGivenToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	result := w.imported(t, staged())
	if v, p := result.Key.Versions[0], result.Key.Placements[0]; v.State != broker.PreActivation || p.Step != broker.PlacementProven {
		t.Errorf("version %s, placement %s", v.State, p.Step)
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/hmac"}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
	for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{ID: result.Key.Versions[0].Material.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Class != "secret" {
			t.Errorf("%+v", o)
		}
		return
	}
	t.Error("retain: none destroyed the token's copy before the last proof")
}

func TestActivationKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		ready: func(t *testing.T, w *world) { t.Helper(); w.imported(t, staged()) },
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, err := b.Activate(ctx, broker.ActivateRequest{Name: "hmac", Why: broker.Why{Reason: "go"}})
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.exactlyOne(t, "hmac") },
		calls: 10,
	}.killEverywhere(t)
}

func TestPlannedActivationWaitsForItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := lines()[1]
	req.ActivateAt = w.now.Add(24 * time.Hour)
	if result := w.imported(t, req); result.Key.Versions[0].State != broker.PreActivation {
		t.Fatalf("it is %s", result.Key.Versions[0].State)
	}
	w.now = w.now.Add(25 * time.Hour)
	result, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"})
	if err != nil || result.Key.Versions[0].State != broker.Active {
		t.Fatalf("%+v, %v", result.Key.Versions, err)
	}
	w.exactlyOne(t, "hmac")
	again, err := w.run(nil).Activate(t.Context(), broker.ActivateRequest{Name: "hmac"})
	if err != nil || !again.AlreadyDone {
		t.Errorf("activated again: done before %v, %v", again.AlreadyDone, err)
	}
}

func ending(w *world) broker.ImportRequest {
	req := lines()[0]
	req.ValidTo = w.now.Add(30 * 24 * time.Hour)
	return req
}

func TestRenewalKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		ready: func(t *testing.T, w *world) { t.Helper(); w.imported(t, ending(w)) },
		act: func(ctx context.Context, w *world, b *broker.Broker) error {
			_, err := b.Renew(ctx, broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(90 * 24 * time.Hour), Why: broker.Why{Reason: "go on"}})
			return err
		},
		check: func(t *testing.T, w *world) {
			t.Helper()
			w.exactlyOne(t, "aes")
			w.ends(t, w.now.Add(90*24*time.Hour))
		},
		calls: 10,
	}.killEverywhere(t)
}

// ends holds the end on record and at the target against what was asked.
func (w *world) ends(t *testing.T, want time.Time) {
	t.Helper()
	const name = "aes"
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := view.Placements[0]
	seen := w.observe(t, broker.Query{Version: &p.Version})
	if len(seen) != 1 || !seen[0].ValidTo.Equal(want) || !p.ValidTo.Equal(want) {
		t.Errorf("ends: on record %s, at the target %+v, asked %s", p.ValidTo, seen, want)
	}
}

// What has an end must be renewable also after it.
func TestRenewAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, ending(w))
	w.now = w.now.Add(31 * 24 * time.Hour)
	checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "aes"})
	if err != nil || len(checks) != 1 || checks[0].OK || checks[0].State != broker.RemotePending {
		t.Fatalf("after its end: %+v, %v", checks, err)
	}
	end := w.now.Add(100 * 24 * time.Hour)
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "aes", ValidTo: end}); err != nil {
		t.Fatal(err)
	}
	w.exactlyOne(t, "aes")
	w.ends(t, end)
	checks, err = w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "aes"})
	if err != nil || len(checks) != 1 || !checks[0].OK {
		t.Errorf("renewed: %+v, %v", checks, err)
	}
}

func TestRenewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[1]) // retain: none
	w.imported(t, lines()[0])
	for name, c := range map[string]struct {
		req  broker.RenewRequest
		kind broker.Kind
	}{
		"what the token no longer has": {broker.RenewRequest{Name: "hmac", ValidTo: w.now.Add(time.Hour)}, broker.Unsupported},
		"an end in the past":           {broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(-time.Hour)}, broker.Misuse},
		"an end too far":               {broker.RenewRequest{Name: "aes", ValidTo: w.now.Add(366 * 24 * time.Hour)}, broker.Misuse},
		"an unknown key":               {broker.RenewRequest{Name: "nobody"}, broker.NotFound},
		"an unknown version":           {broker.RenewRequest{Name: "aes", Number: 2}, broker.NotFound},
		"an unknown target":            {broker.RenewRequest{Name: "aes", Target: "mars"}, broker.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.events(t))
			_, err := w.run(nil).Renew(t.Context(), c.req)
			if !errors.Is(err, c.kind) {
				t.Errorf("%v, want %s", err, c.kind)
			}
			if _, planned := w.run(nil).PlanRenew(t.Context(), c.req); !errors.Is(planned, c.kind) {
				t.Errorf("the dry run says %v, want %s", planned, c.kind)
			}
			if after := len(w.events(t)); after != before {
				t.Errorf("%d entries were written", after-before)
			}
		})
	}
}

// What one target refuses is found by looking, before another is sent anything.
func TestRenewalLooksEverywhereBeforeItSends(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	req := everywhere("k", broker.AES256)
	req.Targets = []string{"cloud", "numbered"}
	w.imported(t, req)
	before := w.events(t)
	w.inject = func(call string, _ bool) error {
		if call == "cloud import" {
			t.Error("it was sent")
		}
		return nil
	}
	_, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "k"})
	if !errors.Is(err, broker.Unsupported) || !strings.Contains(err.Error(), "at target numbered") {
		t.Error(err)
	}
	if !slices.Equal(w.events(t), before) {
		t.Error("something was put on record")
	}
	w.inject = nil
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "k", Target: "cloud"}); err != nil {
		t.Error(err)
	}
}

// Without a word about the end, the same material comes again with the end it had.
func TestRenewalKeepsTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, ending(w))
	to := w.now.Add(30 * 24 * time.Hour)
	v := w.refOf(t, "aes")
	if _, err := w.target.Do(t.Context(), broker.Effect{Operation: "theirs"}, v, broker.Action{Kind: broker.DeleteMaterial}); err != nil {
		t.Fatal(err)
	}
	req := broker.RenewRequest{Name: "aes", KeepEnd: true}
	plan, err := w.run(nil).PlanRenew(t.Context(), req)
	if err != nil || !plan.Targets[0].ValidTo.Equal(to) {
		t.Errorf("planned: %+v, %v", plan, err)
	}
	if _, err := w.run(nil).Renew(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	w.exactlyOne(t, "aes")
	w.ends(t, to)
	w.now = to.Add(time.Hour)
	for _, ask := range []func() error{
		func() error { _, err := w.run(nil).PlanRenew(t.Context(), req); return err },
		func() error { _, err := w.run(nil).Renew(t.Context(), req); return err },
	} {
		if err := ask(); !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "is past: give --valid-to or --no-end") {
			t.Errorf("after its end: %v", err)
		}
	}
}

// Where an end only moves, nothing comes again: said by the plan and by the command.
func TestNothingComesAgainWhereAnEndMoves(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.imported(t, at("k", "newest"))
	for _, req := range []broker.RenewRequest{{Name: "k", KeepEnd: true}, {Name: "k"}} {
		_, planned := w.run(nil).PlanRenew(t.Context(), req)
		_, err := w.run(nil).Renew(t.Context(), req)
		if !errors.Is(err, broker.Unsupported) || planned == nil || planned.Error() != err.Error() {
			t.Errorf("%+v: planned %v, done %v", req, planned, err)
		}
	}
}

// What is restored while it waits for its activation is withheld again.
func TestWhatIsRestoredIsWithheldAgain(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	req := at("k", "numbered")
	req.NoActivate = true
	v := w.imported(t, req).Key.Placements[0].Version
	if _, err := w.provider("numbered").Do(t.Context(), broker.Effect{Operation: "theirs"}, v, broker.Action{Kind: broker.Schedule}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "k", KeepEnd: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.remote(t, "numbered", "k"); got != broker.RemoteDisabled {
		t.Errorf("it is %s", got)
	}
}

func TestAbortKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		ready: func(t *testing.T, w *world) { t.Helper(); w.imported(t, lines()[0]) },
		act: func(ctx context.Context, w *world, b *broker.Broker) error {
			_, err := b.Abort(ctx, broker.AbortRequest{Operation: w.importOf("aes"), Why: broker.Why{Reason: "not wanted"}})
			if errors.Is(err, broker.Conflict) && w.hasEvent(w.t, "import.abandoned") {
				return nil // killed after the last word: it is taken back
			}
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.takenBack(t) },
		calls: 5,
	}.killEverywhere(t)
}

func (w *world) importOf(name string) string {
	w.t.Helper()
	for op, err := range w.store.Operations(w.t.Context(), broker.OperationFilter{KeyName: name}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if op.Operation.Kind == broker.OpImport {
			return op.Operation.ID
		}
	}
	w.t.Fatal("no import on record")
	return ""
}

// takenBack: nobody is given the key, it is scheduled for deletion, and its
// material is still in the token.
func (w *world) takenBack(t *testing.T) {
	t.Helper()
	const name = "aes"
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := view.Placements[0]
	if p.Step != broker.PlacementAbandoned || view.Versions[0].State == broker.Active {
		t.Errorf("on record: %s, %s", p.Step, view.Versions[0].State)
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/" + name}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
	seen := w.observe(t, broker.Query{Key: &p.Version.Key})
	if len(seen) != 1 || seen[0].State != broker.RemoteScheduled {
		t.Errorf("at the target: %+v", seen)
	}
	objects := 0
	for _, err := range w.token.Objects(t.Context(), broker.ObjectQuery{ID: view.Versions[0].Material.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		objects++
	}
	if objects != 1 {
		t.Errorf("the token holds %d objects of it", objects)
	}
}

func TestAbortNeedsAReasonAndHappensOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[0])
	operation := w.importOf("aes")
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: operation}); !errors.Is(err, broker.Misuse) {
		t.Errorf("without a reason: %v", err)
	}
	planned, err := w.run(nil).PlanAbort(t.Context(), broker.AbortRequest{Operation: operation})
	if err != nil || len(planned.Scheduled) != 1 || planned.Material == "" {
		t.Errorf("planned: %+v, %v", planned, err)
	}
	done, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: operation, Why: broker.Why{Reason: "not wanted"}})
	if err != nil || len(done.Scheduled) != 1 || done.DeletionAt.IsZero() || done.Material == "" {
		t.Fatalf("aborted: %+v, %v", done, err)
	}
	w.takenBack(t)
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: operation, Why: broker.Why{Reason: "again"}}); !errors.Is(err, broker.Conflict) {
		t.Errorf("aborted again: %v", err)
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) {
		t.Errorf("a number is never used twice, yet: %v", err)
	}
	if _, err := w.run(nil).Resume(t.Context(), operation); !errors.Is(err, broker.Conflict) {
		t.Errorf("resumed: %v", err)
	}
}
