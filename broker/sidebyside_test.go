package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// toEach are n keys for the named targets.
func toEach(n int, spec broker.KeySpec, targets ...string) []broker.ImportRequest {
	var reqs []broker.ImportRequest
	for i := range n {
		req := everywhere(fmt.Sprintf("key-%s-%d", strings.Join(targets, "-"), i), spec)
		req.Targets = targets
		reqs = append(reqs, req)
	}
	return reqs
}

// brought runs many imports and is what became of each in the end; begun counts what was
// told of them before.
func brought(t *testing.T, w *world, reqs []broker.ImportRequest, atOnce int) (got map[int]error, begun int) {
	t.Helper()
	got = map[int]error{}
	for o := range w.run(nil).ImportEach(t.Context(), reqs, atOnce) {
		if o.Begun {
			begun++
			if _, over := got[o.Index]; over || o.Err != nil {
				t.Errorf("request %d was told as begun after its end, or with an error: %v", o.Index, o.Err)
			}
			continue
		}
		ended(t, got, o)
	}
	return got, begun
}

// What proves by importing again takes the same scarce calls as the imports: it waits
// until the last of them, and nothing is proven or active before.
func TestProofsThatImportAgainComeLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	reqs := toEach(9, broker.AES256, "cloud")
	got, begun := brought(t, w, reqs, 3)
	if len(got) != 9 || begun != 9 {
		t.Fatalf("%d ended, %d were begun before", len(got), begun)
	}
	for i, err := range got {
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		w.oneEverywhere(t, reqs[i].Name, "cloud")
	}
	events := w.events(t)
	last := len(events) - 1 - slices.Index(reversed(events), "import.done")
	for _, event := range []string{"reimport.intended", "proof.proven", "proof.active"} {
		if first := slices.Index(events, event); first < last {
			t.Errorf("%s is entry %d, the last import %d", event, first, last)
		}
	}
	if slices.Contains(events, "import.resumed") {
		t.Error("what this process itself left in order was resumed")
	}
	w.auditHolds(t)
}

func reversed(s []string) []string {
	r := slices.Clone(s)
	slices.Reverse(r)
	return r
}

// Where one target is slow, a key is brought to its others meanwhile, and so are all the
// other keys.
func TestSlowTargetHoldsNoneUp(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	const n, atOnce = 12, 2 // those that are under way at the slow one are nowhere else
	var (
		mu        sync.Mutex
		elsewhere int
		enough    = make(chan struct{})
	)
	w.inject = func(call string, before bool) error {
		switch call {
		case "numbered import":
			if before {
				<-enough
			}
		case "newest import":
			mu.Lock()
			defer mu.Unlock()
			if !before {
				if elsewhere++; elsewhere == 2*n-atOnce {
					close(enough)
				}
			}
		}
		return nil
	}
	reqs := slices.Concat(toEach(n, broker.ECP384, "numbered", "newest"), toEach(n, broker.ECP384, "newest"))
	got, _ := brought(t, w, reqs, atOnce)
	for i, req := range reqs {
		if err, ok := got[i]; err != nil || !ok {
			t.Fatalf("%s: %v, %v", req.Name, ok, err)
		}
	}
	for _, name := range []string{"numbered", "newest"} {
		if r := w.provider(name).Report(); len(r.Orphans) != 0 || len(r.Twins) != 0 {
			t.Errorf("at %s: orphans %v, twins %v", name, r.Orphans, r.Twins)
		}
	}
	w.auditHolds(t)
}

// A target that does not answer is left alone after some keys, and holds up only what
// goes there; run again when it answers, only what is missing is done.
func TestDeadTargetHoldsNoneUp(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	var asked int
	var mu sync.Mutex
	w.inject = func(call string, _ bool) error {
		if !strings.HasPrefix(call, "numbered ") {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		return fmt.Errorf("dead: %w", broker.Unavailable)
	}
	reqs := slices.Concat(toEach(6, broker.ECP384, "numbered"), toEach(5, broker.ECP384, "numbered", "newest"), toEach(7, broker.ECP384, "newest"))
	got, _ := brought(t, w, reqs, 1)
	for i, req := range reqs {
		err, ended := got[i]
		if dead := slices.Contains(req.Targets, "numbered"); !ended || dead != errors.Is(err, broker.Unavailable) {
			t.Errorf("%s: ended %v, %v", req.Name, ended, err)
		}
	}
	if n := len(w.provider("newest").Report().Names); n != 12 {
		t.Errorf("newest holds %d names: all 12 can be brought there", n)
	}
	if before := asked; before > 3*20 {
		t.Errorf("the dead target was asked %d times", before)
	}
	w.inject = nil
	again, _ := brought(t, w, reqs, 3)
	for i, req := range reqs {
		if err, ok := again[i]; err != nil || !ok {
			t.Errorf("%s, run again: %v, %v", req.Name, ok, err)
		}
		w.oneEverywhere(t, req.Name, req.Targets...)
	}
	w.auditHolds(t)
}

// Stopped between bringing and proving, nothing is given to consumers; run again, each is
// proven, and still there is one of each.
func TestManyStoppedBeforeTheirProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reqs, begun := toEach(6, broker.AES256, "cloud"), map[int]bool{}
	for o := range w.run(nil).ImportEach(ctx, reqs, 6) {
		if !o.Begun {
			t.Errorf("request %d ended: %v", o.Index, o.Err)
		}
		if begun[o.Index] = true; len(begun) == 6 {
			cancel()
		}
	}
	for _, req := range reqs {
		view, err := w.store.Key(t.Context(), req.Name)
		if err != nil || view.Placements[0].Step != broker.PlacementStaged || view.Placements[0].Proof.Level != "" {
			t.Errorf("%s: %+v, %v", req.Name, view.Placements, err)
		}
	}
	got, _ := brought(t, w, reqs, 2)
	for i, req := range reqs {
		if err, ok := got[i]; err != nil || !ok {
			t.Errorf("%s: %v, %v", req.Name, ok, err)
		}
		w.oneEverywhere(t, req.Name, "cloud")
	}
	w.auditHolds(t)
}

// A name that is taken at one target is found when that target's turn comes, and nothing
// is given to consumers anywhere.
func TestNameTakenAtOneOfManyTargets(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	_, err := w.provider("numbered").Prepare(t.Context(), broker.Effect{Operation: "stranger", Target: "numbered", Step: broker.StepPrepare}, broker.PrepareIn{
		Name: "taken", KeyID: "stranger", Number: 1, Spec: broker.ECP384, Purpose: broker.Sign, RemoteName: "taken", At: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	req := everywhere("taken", broker.ECP384)
	got, _ := brought(t, w, []broker.ImportRequest{req}, 2)
	if !errors.Is(got[0], broker.Conflict) {
		t.Errorf("ended with %v", got[0])
	}
	for _, name := range []string{"cloud", "newest"} {
		for _, v := range w.provider(name).Report().Names["taken"] {
			if v.State == broker.RemoteEnabled && name == "newest" {
				t.Errorf("%s has %+v, usable", name, v)
			}
		}
	}
}
