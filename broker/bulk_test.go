package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func many(n int) []broker.ImportRequest {
	var reqs []broker.ImportRequest
	for i := range n {
		reqs = append(reqs, at(fmt.Sprintf("key-%d", i), "cloud"))
	}
	return reqs
}

// ended are the outcomes by index; each comes once.
func ended(t *testing.T, outcomes map[int]error, o broker.Outcome) {
	t.Helper()
	if _, twice := outcomes[o.Index]; twice {
		t.Errorf("request %d ended twice", o.Index)
	}
	outcomes[o.Index] = o.Err
}

// One request in many that cannot be: the others are done.
func TestOneOfManyThatFailsHoldsNoneUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	reqs := many(12)
	reqs[5].Spec = "aes-512"
	got := map[int]error{}
	for o := range w.run(nil).ImportEach(t.Context(), reqs, 4) {
		ended(t, got, o)
	}
	for i := range reqs {
		if err, ok := got[i]; !ok || (err != nil) != (i == 5) {
			t.Errorf("request %d: ended %v, %v", i, ok, err)
		}
	}
	report := w.target.Report()
	if len(report.Names) != 11 || len(report.Orphans) != 0 || len(report.Twins) != 0 {
		t.Errorf("the target holds %d names, orphans %v, twins %v", len(report.Names), report.Orphans, report.Twins)
	}
	w.auditHolds(t)
}

// Stopped, it finishes what is under way and begins nothing; asked again, only what is
// missing is done.
func TestManyThatAreStoppedGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	ctx, cancel := context.WithCancel(t.Context())
	var prepared atomic.Int32
	w.inject = func(call string, before bool) error {
		if call == "target prepare" && before && prepared.Add(1) == 3 {
			cancel()
		}
		return nil
	}
	got := map[int]error{}
	for o := range w.run(nil).ImportEach(ctx, many(20), 2) {
		ended(t, got, o)
		if o.Err != nil {
			t.Errorf("request %d was under way: %v", o.Index, o.Err)
		}
	}
	if n := len(got); n < 3 || n > 6 {
		t.Errorf("%d of 20 were done; it was stopped at the third", n)
	}
	already := 0
	for o := range w.run(nil).ImportEach(t.Context(), many(20), 2) {
		if o.Err != nil {
			t.Error(o.Err)
		}
		if o.Result.AlreadyDone {
			already++
		}
	}
	if already != len(got) || len(w.target.Report().Names) != 20 {
		t.Errorf("%d were done already, %d before; there are %d", already, len(got), len(w.target.Report().Names))
	}
}

// A caller that leaves gets nothing more, and leaves nothing half done.
func TestManyWhoseCallerLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	for o := range w.run(nil).ImportEach(t.Context(), many(20), 3) {
		if o.Err != nil {
			t.Error(o.Err)
		}
		break
	}
	for op, err := range w.store.Operations(t.Context(), broker.OperationFilter{}) {
		if err != nil || op.Operation.State != broker.Finished {
			t.Errorf("operation %s of %s is %s, %v", op.Operation.ID, op.Operation.KeyName, op.Operation.State, err)
		}
	}
	if n := len(w.target.Report().Names); n == 0 || n > 8 {
		t.Errorf("%d were imported", n)
	}
}

// A name twice in one list is one key: the second waits for nobody and is refused, or
// finds it done.
func TestOneNameTwiceAmongMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.enrolAlive()
	reqs := []broker.ImportRequest{at("same", "cloud"), at("same", "cloud"), at("same", "cloud")}
	for o := range w.another(t).ImportEach(t.Context(), reqs, 3) {
		if o.Err != nil && !errors.Is(o.Err, broker.Conflict) {
			t.Errorf("%d: %v", o.Index, o.Err)
		}
	}
	w.exactlyOne(t, "same")
}

// The token is told where the audit stands now and then while many are under way, not for
// each of them, and at the end it knows the newest.
func TestTheTokenKnowsTheEndOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	var told atomic.Int64
	w.inject = func(call string, before bool) error {
		if call == "token SetAnchor" && before {
			told.Add(1)
		}
		return nil
	}
	for o := range w.run(nil).ImportEach(t.Context(), many(12), 3) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	if n := told.Load(); n == 0 || n > 4 {
		t.Errorf("for 12 keys the token was told %d times", n)
	}
	var kept struct{ Head broker.Head }
	texts, err := w.token.Anchor(t.Context(), "audit head")
	if err == nil {
		err = json.Unmarshal(texts[0], &kept)
	}
	end, toldErr := w.store.Told(t.Context(), "")
	if err != nil || toldErr != nil || kept.Head.Seq != end.Entry.Seq || kept.Head.Hash != end.Entry.Hash {
		t.Errorf("the token knows %+v, the audit ends with entry %d: %v, %v", kept.Head, end.Entry.Seq, err, toldErr)
	}
	w.auditHolds(t)
}

// Side by side, each knows what the others sealed: no head is sealed again to be checked.
func TestNoHeadIsSealedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	heads := func() (n int64) {
		for _, err := range w.store.Heads(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	before := heads()
	var seals atomic.Int64
	w.inject = func(call string, before bool) error {
		if call == "token Seal" && before {
			seals.Add(1)
		}
		return nil
	}
	for o := range w.run(nil).ImportEach(t.Context(), many(24), 8) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	const atStart = 8 // enrolments and the end that was found
	if made := heads() - before; made < 2 || seals.Load() > made+atStart {
		t.Errorf("%d seals for %d heads", seals.Load(), made)
	}
	w.auditHolds(t)
}
