package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	tokens "github.com/keyferry/keyferry/hsm/memory"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// errKilled is what every call answers after the process was "killed": nothing it
// does reaches anything any more.
var errKilled = errors.New("killed")

// killer ends a run at one of its calls to the world, before or after that call
// had its effect.
type killer struct {
	at     int // the call to die at; 0: never
	after  bool
	calls  int
	open   []openCall // sealing happens inside the store's transaction
	died   string     // at which call
	cancel context.CancelFunc
}

type openCall struct {
	name   string
	number int
}

func (k *killer) fault(call string, before bool) error {
	if k.died != "" {
		return errKilled
	}
	if number := k.number(call, before); number != k.at || before == k.after {
		return nil
	}
	k.died = call
	k.cancel()
	return errKilled
}

// number counts calls as they begin; one that failed never came to its end.
func (k *killer) number(call string, before bool) int {
	if before {
		k.calls++
		k.open = append(k.open, openCall{call, k.calls})
		return k.calls
	}
	for {
		last := k.open[len(k.open)-1]
		k.open = k.open[:len(k.open)-1]
		if last.name == call {
			return last.number
		}
	}
}

// mortal is a store whose process can be killed.
type mortal struct {
	broker.Store
	w *world
}

func (m mortal) Apply(ctx context.Context, c broker.Change) (broker.Head, error) {
	if err := m.w.fault("store "+c.Entry.Event, true); err != nil {
		return broker.Head{}, err
	}
	head, err := m.Store.Apply(ctx, c)
	if err != nil {
		return head, err
	}
	return head, m.w.fault("store "+c.Entry.Event, false)
}

func (m mortal) Lease(ctx context.Context, l broker.Lease) error {
	if m.w.k != nil && m.w.k.died != "" {
		return errKilled
	}
	return m.Store.Lease(ctx, l)
}

// world is everything outside a run: store, token and target outlive it.
type world struct {
	t      testing.TB
	path   string // of the store
	store  broker.Store
	token  *tokens.Token
	target *providers.Provider
	policy broker.Policy
	now    time.Time
	k      *killer
	// environment of token and targets; "" is test.
	environment string
	// foreign: the endpoint is not genuinely the provider's, so it is tried out.
	foreign bool
	// existing is how the target answers imports; nil as it is.
	existing func(broker.ImportIn, broker.Imported, error) (broker.Imported, error)
	// others are further targets, beside the one called cloud.
	others []broker.Target
	// inject is a fault that a test wants, by call.
	inject func(call string, before bool) error
}

func newWorld(tb testing.TB, caps broker.Capabilities) *world {
	tb.Helper()
	w := bareWorld(tb, caps)
	w.enrol()
	return w
}

func bareWorld(tb testing.TB, caps broker.Capabilities) *world {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keyferry.db")
	s, err := store.Create(tb.Context(), store.Options{Path: path})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	w := &world{t: tb, path: path, store: s, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.token = tokens.New(tokens.Options{Fault: func(call string, before bool) error { return w.fault("token "+call, before) }})
	w.target = newTarget(w, caps)
	return w
}

func (w *world) fault(call string, before bool) error {
	if w.k != nil {
		return w.k.fault(call, before)
	}
	if w.inject != nil {
		return w.inject(call, before)
	}
	return nil
}

// run is the program started once, with a killer that may end it.
func (w *world) run(k *killer) *broker.Broker {
	w.t.Helper()
	w.k = k
	w.token.Restart()
	b, err := broker.New(w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) options() broker.Options {
	environment := "test"
	if w.environment != "" {
		environment = w.environment
	}
	return broker.Options{
		Store: mortal{w.store, w},
		Token: &broker.TokenSetup{Name: "hsm", Token: w.token, Environment: environment, Pins: map[string]string{"module": "memory"}},
		Targets: append([]broker.Target{{
			Name: "cloud", Provider: peculiar{w.target, w.existing}, Environment: environment, Genuine: !w.foreign,
			Pins: map[string]string{broker.PinAccount: account, "region": "here"},
		}}, w.others...),
		Policies: []broker.Policy{w.policy},
		Actor:    broker.Actor{User: "tester", Host: "here", PID: 1},
		Now:      func() time.Time { return w.now },
		Log:      slog.New(slog.DiscardHandler),
		Holder:   "tester", Stale: func(string) bool { return true },
	}
}

func (w *world) enrol() {
	w.t.Helper()
	b := w.run(nil)
	if _, err := b.EnrolToken(w.t.Context(), broker.Why{Reason: "test"}); err != nil {
		w.t.Fatal(err)
	}
	for _, t := range w.options().Targets {
		if _, err := b.EnrolTarget(w.t.Context(), t.Name, broker.Why{Reason: "test"}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// lines are the kinds of import that differ in what they call.
func lines() []broker.ImportRequest {
	why := broker.Why{Reason: "test", Ticket: "T-1"}
	return []broker.ImportRequest{
		{Name: "aes", Spec: broker.AES256, Targets: []string{"cloud"}, Why: why},
		{Name: "hmac", Spec: broker.HMAC256, Targets: []string{"cloud"}, Retain: broker.RetainNone, Why: why},
		{Name: "ec", Spec: broker.ECP384, Targets: []string{"cloud"}, Retain: broker.RetainSealed, Why: why},
		{Name: "kept", Spec: broker.AES256, Targets: []string{"cloud"}, Retain: broker.RetainWrapped, Why: why},
	}
}

func TestImportEndsInExactlyOneProvenVersion(t *testing.T) {
	t.Parallel()
	for _, req := range lines() {
		t.Run(req.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			result, err := w.run(nil).Import(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if result.AlreadyDone || result.Operation.Operation.State != broker.Finished {
				t.Errorf("result: done before %v, %s", result.AlreadyDone, result.Operation.Operation.State)
			}
			w.exactlyOne(t, req.Name)
			w.auditHolds(t)
			again, err := w.run(nil).Import(t.Context(), req)
			if err != nil || !again.AlreadyDone || again.Operation.Operation.ID != result.Operation.Operation.ID {
				t.Errorf("imported again: %+v, %v", again.Operation.Operation, err)
			}
			w.exactlyOne(t, req.Name)
		})
	}
}

// scenario is something a run does to a world that was made ready for it.
type scenario struct {
	ready func(t *testing.T, w *world)
	act   func(ctx context.Context, w *world, b *broker.Broker) error
	check func(t *testing.T, w *world)
	calls int                       // at least so many to the world, or the test does not see them
	world func(t *testing.T) *world // nil: one target that settles at once
	// after: killed after each call only. Before a call the world is as after the one
	// before it, so that a long line is not walked twice.
	after bool
}

// killEverywhere kills the run at any call to store, token or target, before it
// and after it, and starts it again. With -short it is one call in eleven: what watches
// memory makes a run take ten times as long, and sees the same in all of them.
func (s scenario) killEverywhere(t *testing.T) {
	t.Helper()
	sides := []bool{false, true}
	if s.after {
		sides = sides[1:]
	}
	apart := 1
	if testing.Short() {
		apart = 11
	}
	for _, after := range sides {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			t.Parallel()
			at := 1
			for s.killedOnce(t, at, after) {
				at += apart
			}
			if at <= s.calls {
				t.Errorf("only %d calls were seen, at least %d were expected", at-1, s.calls)
			}
		})
	}
}

func (s scenario) fresh(t *testing.T) *world {
	t.Helper()
	if s.world != nil {
		return s.world(t)
	}
	return newWorld(t, quick())
}

// killedOnce reports whether the run lived long enough to be killed at that call.
func (s scenario) killedOnce(t *testing.T, at int, after bool) bool {
	t.Helper()
	w := s.fresh(t)
	if s.ready != nil {
		s.ready(t, w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &killer{at: at, after: after, cancel: cancel}
	err := s.act(ctx, w, w.run(k))
	if k.died == "" {
		if err != nil {
			t.Fatalf("nothing killed it, and it failed: %v", err)
		}
		return false
	}
	if err := s.act(t.Context(), w, w.run(nil)); err != nil {
		t.Fatalf("killed at call %d (%s, after=%v), started again: %v", at, k.died, after, err)
	}
	s.check(t, w)
	w.auditHolds(t)
	if t.Failed() {
		t.Fatalf("killed at call %d (%s, after=%v)", at, k.died, after)
	}
	return true
}

// Killed anywhere and started again: exactly one version, proven and active.
func TestImportKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, req := range lines() {
		t.Run(req.Name, func(t *testing.T) {
			t.Parallel()
			scenario{
				act: func(ctx context.Context, _ *world, b *broker.Broker) error {
					_, err := b.Import(ctx, req)
					return err
				},
				check: func(t *testing.T, w *world) { t.Helper(); w.exactlyOne(t, req.Name) },
				calls: 25,
			}.killEverywhere(t)
		})
	}
}

// An answer that is lost at any changing call of the target, before or after its
// commit, is looked for within the same run.
func TestAnyAnswerLost(t *testing.T) {
	t.Parallel()
	for _, req := range lines() {
		for _, call := range []string{"target prepare", "target import", "target activate"} {
			for _, committed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/committed=%v", req.Name, call, committed), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, quick())
					lost := 0
					w.inject = func(c string, before bool) error {
						if c == call && before != committed && lost == 0 {
							lost++
							return broker.Unclear
						}
						return nil
					}
					if _, err := w.run(nil).Import(t.Context(), req); err != nil {
						t.Fatal(err)
					}
					if lost != 1 {
						t.Fatal("no answer was lost")
					}
					w.exactlyOne(t, req.Name)
				})
			}
		}
	}
}

// A key that appears only after the target's settle time was waited out is never
// used, and is listed.
func TestALateTwinIsListedAndNeverUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	lost := false
	w.inject = func(call string, before bool) error {
		if call == "target prepare" && before && !lost {
			lost = true
			return providers.Late{After: time.Hour}
		}
		return nil
	}
	result, err := w.run(nil).Import(t.Context(), lines()[0])
	if err != nil {
		t.Fatal(err)
	}
	used := result.Key.Placements[0].Version.Key
	w.now = w.now.Add(2 * time.Hour)
	orphans, err := w.run(nil).Orphans(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(orphans) != 1 || orphans[0].Key == used || orphans[0].HasMaterial || orphans[0].Name != "aes" {
		t.Fatalf("orphans: %+v; in use is %s", orphans, used.ID)
	}
	again, err := w.run(nil).Import(t.Context(), lines()[0])
	if err != nil || !again.AlreadyDone || again.Key.Placements[0].Version.Key != used {
		t.Errorf("imported again: %+v, %v", again.Key.Placements, err)
	}
}
