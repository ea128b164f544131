package chaos_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// scenarios are all of them but those that need a disk of their own.
func scenarios() []scenario {
	anHour := faults.Seconds(time.Hour.Seconds())
	return []scenario{
		{name: "answers lost", breaks: everywhere(faults.Rule{Kind: faults.Drop, When: faults.After}, 1, 3, 4, 8)},
		{name: "answers cut off", breaks: everywhere(faults.Rule{Kind: faults.Truncate}, 2, 5)},
		{name: "connections dropped", breaks: anyCall(faults.Rule{Kind: faults.Drop}, 11)},
		{name: "commits below settle", options: options{settle: "6s"}, breaks: everywhere(faults.Rule{Kind: faults.Late, After: 1.5}, 2, 5)},
		{name: "commits above settle", late: true, breaks: everywhere(faults.Rule{Kind: faults.Late, After: anHour, Clock: faults.Emulator}, 2, 5)},
		{name: "killed, commits below settle", options: options{settle: "8s"}, brings: killedLate(faults.Rule{After: 1})},
		{name: "killed, commits above settle", late: true, brings: killedLate(faults.Rule{After: anHour, Clock: faults.Emulator}), breaks: letGo},
		{name: "throttle storms", breaks: storms},
		{name: "token removed and returned", breaks: removals},
		{name: "database locked", breaks: locks},
		{name: "two processes on one store", brings: processes(2, 0)},
		{name: "four processes on one store", brings: processes(4, 0)},
		{name: "two processes, one killed", brings: processes(2, 8)},
		{name: "clocks an hour ahead", breaks: clocks(time.Hour)},
		{name: "clocks an hour behind", breaks: clocks(-time.Hour)},
		{name: "import tokens expire mid-way", breaks: expires},
		{name: "others may import too", options: options{shared: true}, breaks: together(everywhere(faults.Rule{Kind: faults.Drop, When: faults.After}, 2, 5), importsAtGoogle), decides: soleWriter},
	}
}

// storms: for seconds on end every call is refused as over its quota.
func storms(t *testing.T, w *world) (heal func()) {
	t.Helper()
	return meanwhile(
		func() { anyCall(faults.Rule{Kind: faults.Throttle, Count: -1, RetryAfter: 1}, 1)(t, w) },
		func() { w.healed(t) }, 2*time.Second, time.Second)
}

// removals: the token is taken out for a moment, again and again.
func removals(_ *testing.T, w *world) (heal func()) {
	return meanwhile(
		func() { w.Shim.Set(shim.Condition{Removed: true}) },
		func() { w.Shim.Set(shim.Condition{}) }, 300*time.Millisecond, 1500*time.Millisecond)
}

// locks: another program holds the store for longer than ours waits.
func locks(t *testing.T, w *world) (heal func()) {
	t.Helper()
	unlock := func() {}
	return meanwhile(
		func() { unlock = e2etest.Lock(t, w.store) },
		func() { unlock(); unlock = func() {} }, 6*time.Second, 700*time.Millisecond)
}

// clocks of AWS and Azure jump, and jump back, while keys are under way. Google's, where
// what is made waits for its own time to come, is off from beginning to end.
func clocks(ahead time.Duration) func(*testing.T, *world) (heal func()) {
	return func(t *testing.T, w *world) func() {
		t.Helper()
		w.clock(t, "gcp", ahead)
		both := func(ahead time.Duration) func() {
			return func() { w.clock(t, "aws", ahead); w.clock(t, "azure", ahead) }
		}
		return meanwhile(both(ahead), both(0), time.Second, 2*time.Second)
	}
}

// letGo breaks nothing; healed, it lets go what is late.
func letGo(t *testing.T, w *world) (heal func()) {
	t.Helper()
	return func() { w.healed(t) }
}

// killedLate kills at each changing call of each target once, and the call commits after
// the connection is gone. What is made once comes first.
func killedLate(late faults.Rule) func(*testing.T, *world, list) (list, int) {
	return func(t *testing.T, w *world, l list) (list, int) {
		t.Helper()
		kills := 0
		late.Kind, late.Await = faults.Late, true
		for _, step := range []string{"first fetch", "prepare", "import", "activate"} {
			for _, target := range e2etest.Targets() {
				for _, way := range reaches()[[2]string{step, target}] {
					rule := late
					rule.Match = faults.Match{Action: way.actions[0], Region: way.region}
					run, _ := w.StartHeld(t, w.Cloud(target), rule, l.imports()...)
					if run.Kill() {
						kills++
						continue
					}
					l.mustBeDone(t, run.Wait())
					l = w.list(t, retains())
				}
			}
		}
		return l, kills
	}
}

// processes bring one list at once, while one more is killed so many times.
func processes(n, kills int) func(*testing.T, *world, list) (list, int) {
	return func(t *testing.T, w *world, l list) (list, int) {
		t.Helper()
		killed := 0
		var runs []*e2etest.Run
		for range n - min(kills, 1) {
			runs = append(runs, w.Start(t, l.imports()...))
		}
		for i := range kills {
			if _, ok := w.cutAnyMoment(t, l, cut{delay: time.Duration(i+1) * 150 * time.Millisecond}); ok {
				killed++
			}
		}
		for _, run := range runs {
			t.Log(run.Wait())
		}
		return l, killed
	}
}

// expires moves the clocks of AWS and Google past the end of import token and import
// job while an import is held that has them, and back.
func expires(t *testing.T, w *world) (heal func()) {
	t.Helper()
	waits := []func(){}
	for at, action := range map[string]string{"aws": "ImportKeyMaterial", "gcp": "ImportCryptoKeyVersion"} {
		var clock sync.Mutex // one at a time has it
		for _, nth := range []int{1, 6} {
			waits = append(waits, w.expire(t, &clock, at, faults.Rule{Kind: faults.Hold, Nth: nth, Match: faults.Match{Action: action}}))
		}
	}
	return func() {
		for _, wait := range waits {
			wait()
		}
	}
}

func (w *world) expire(t *testing.T, clock *sync.Mutex, at string, rule faults.Rule) (wait func()) {
	t.Helper()
	admin, done := w.Cloud(at), make(chan struct{})
	id, err := admin.Add(t.Context(), rule)
	fatal(t, err)
	go func() {
		defer close(done)
		held, err := e2etest.Called(e2etest.Soon(t), admin, faults.CallQuery{Fault: id, State: faults.Held})
		check(t, err)
		clock.Lock()
		defer clock.Unlock()
		w.clock(t, at, 5*24*time.Hour)
		check(t, admin.Release(t.Context(), id))
		over, err := e2etest.Called(e2etest.Soon(t), admin, faults.CallQuery{Fault: id, State: faults.Answered, Since: held.N - 1})
		check(t, err)
		if over.Committed {
			t.Errorf("at %s it was taken although it had expired: %+v", at, over)
		}
		w.clock(t, at, 0)
	}()
	return func() { <-done }
}

// soleWriter does as the program says where nothing shows whose a version is.
func soleWriter(t *testing.T, w *world) {
	t.Helper()
	path := filepath.Join(w.Dir, "keyferry.yaml")
	text, err := os.ReadFile(path)
	fatal(t, err)
	fatal(t, os.WriteFile(path, []byte(strings.Replace(string(text), "sole_writer: false", "sole_writer: true", 1)), 0o600))
	w.Must(t, "target", "enrol", "gcp", "--reason", "nobody else imports there")
}
