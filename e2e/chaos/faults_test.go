package chaos_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// scenario is one thing that goes wrong while a list of keys is brought.
type scenario struct {
	name      string
	options   options
	rows      int
	breaks    func(t *testing.T, w *world) (heal func())
	brings    func(t *testing.T, w *world, l list) // how the list is brought meanwhile; nil is by one process
	late      bool                                 // what commits late does so after its target has settled
	undecided bool                                 // something may stop there for a person, rightly
}

// writes are the calls that change something at each target, in the order of a line.
func writes() map[string][]string {
	return map[string][]string{
		"aws":   {"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"},
		"gcp":   {"CreateCryptoKey", "CreateImportJob", "ImportCryptoKeyVersion", "UpdateCryptoKeyPrimaryVersion"},
		"azure": {"CreateKey", "ImportKey", "UpdateKey"},
	}
}

// everywhere adds a rule at every changing call of every cloud, and for each of the
// nths. It returns what takes them out, and lets go what they hold.
func (w *world) everywhere(t *testing.T, rule faults.Rule, nths ...int) (heal func()) {
	t.Helper()
	for cloud, admin := range w.clouds() {
		for _, action := range writes()[cloud] {
			for _, nth := range nths {
				r := rule
				r.Match.Action, r.Nth = action, nth
				_, err := admin.Add(t.Context(), r)
				fatal(t, err)
			}
		}
	}
	return func() { w.healed(t) }
}

// healed lets go whatever is held or late, until it has committed, and takes out every
// rule.
func (w *world) healed(t *testing.T) {
	t.Helper()
	for _, admin := range w.clouds() {
		rules, err := admin.Rules(t.Context())
		check(t, err)
		for _, r := range rules {
			check(t, admin.Release(t.Context(), r.ID))
		}
		check(t, admin.Remove(t.Context(), ""))
	}
}

// all adds a rule for every call of every cloud.
func (w *world) all(t *testing.T, rule faults.Rule) (heal func()) {
	t.Helper()
	for _, admin := range w.clouds() {
		_, err := admin.Add(t.Context(), rule)
		fatal(t, err)
	}
	return func() { w.healed(t) }
}

// clocks puts every emulator's clock so far ahead.
func (w *world) clocks(t *testing.T, ahead time.Duration) {
	t.Helper()
	for _, admin := range w.clouds() {
		_, err := admin.SetOffset(t.Context(), ahead)
		check(t, err)
	}
}

// meanwhile does something again and again until it is healed: on for a while, and off
// for a while.
func meanwhile(on, off func(), for1, for2 time.Duration) (heal func()) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for i := 0; ; i++ {
			do, d := off, for2
			if i%2 == 1 {
				do, d = on, for1
			}
			do()
			select {
			case <-stop:
				off()
				return
			case <-time.After(d):
			}
		}
	})
	return func() {
		close(stop)
		done.Wait()
	}
}

// scenarios are all of them but those that need a disk of their own.
func scenarios() []scenario {
	drop := func(when faults.When) func(*testing.T, *world) func() {
		return func(t *testing.T, w *world) func() {
			t.Helper()
			return w.everywhere(t, faults.Rule{Kind: faults.Drop, When: when}, 1, 3, 4, 8)
		}
	}
	hour := func(d time.Duration) func(*testing.T, *world) func() {
		return func(t *testing.T, w *world) func() {
			t.Helper()
			w.clocks(t, d)
			return func() { w.clocks(t, 0) }
		}
	}
	return []scenario{
		{name: "lost answers", breaks: drop(faults.After)},
		{name: "connections dropped", breaks: drop(faults.Before)},
		{name: "commits below settle", options: options{settle: "3s"}, breaks: func(t *testing.T, w *world) func() {
			t.Helper()
			return w.everywhere(t, faults.Rule{Kind: faults.Late, After: 1.5}, 2, 5)
		}},
		{name: "commits above settle", late: true, breaks: func(t *testing.T, w *world) func() {
			t.Helper()
			return w.everywhere(t, faults.Rule{Kind: faults.Late, After: faults.Seconds(time.Hour.Seconds()), Clock: faults.Emulator}, 2, 5)
		}},
		{name: "throttle storms", breaks: func(t *testing.T, w *world) func() {
			t.Helper()
			return meanwhile(
				func() { w.all(t, faults.Rule{Kind: faults.Throttle, Count: -1, RetryAfter: 1}) },
				func() { w.healed(t) }, 2*time.Second, time.Second)
		}},
		{name: "token removed and returned", breaks: func(_ *testing.T, w *world) func() {
			return meanwhile(func() { w.shim.Set(shim.Condition{Removed: true}) }, func() { w.shim.Set(shim.Condition{}) }, 300*time.Millisecond, 1500*time.Millisecond)
		}},
		{name: "database locked", breaks: func(t *testing.T, w *world) func() {
			t.Helper()
			var unlock func()
			return meanwhile(func() { unlock = w.lock(t) }, func() {
				if unlock != nil {
					unlock()
				}
				unlock = nil
			}, 6*time.Second, 700*time.Millisecond) // longer than the program waits
		}},
		{name: "two processes on one store", brings: processes(2)},
		{name: "four processes on one store", brings: processes(4)},
		{name: "clocks an hour ahead", breaks: hour(time.Hour)},
		{name: "clocks an hour behind", breaks: hour(-time.Hour)},
		{name: "import tokens expire mid-way", breaks: expires},
	}
}

// processes bring one list at once.
func processes(n int) func(*testing.T, *world, list) {
	return func(t *testing.T, w *world, l list) {
		t.Helper()
		var runs []*started
		for range n {
			runs = append(runs, w.start(t, l.imports()...))
		}
		for _, run := range runs {
			if out := run.wait(); out.code == -1 {
				t.Error(out)
			}
		}
	}
}

// expires moves the clocks of AWS and Google past the end of import token and import
// job while an import is held that has them, and back.
func expires(t *testing.T, w *world) (heal func()) {
	t.Helper()
	var all sync.WaitGroup
	for at, action := range map[string]string{"aws": "ImportKeyMaterial", "gcp": "ImportCryptoKeyVersion"} {
		admin := w.cloud(at)
		for _, nth := range []int{1, 6} {
			id, err := admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, Nth: nth, Match: faults.Match{Action: action}})
			fatal(t, err)
			all.Go(func() {
				held, err := admin.Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Held})
				check(t, err)
				_, err = admin.SetOffset(t.Context(), 5*24*time.Hour)
				check(t, err)
				check(t, admin.Release(t.Context(), id))
				_, err = admin.Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Answered, Since: held.N - 1})
				check(t, err)
				_, err = admin.SetOffset(t.Context(), 0)
				check(t, err)
			})
		}
	}
	return all.Wait
}

// Whatever goes wrong, and however often the list has to be brought again, each key is
// one version at each target, of one material, and there is nothing else.
func TestFaults(t *testing.T) {
	t.Parallel()
	y := &tally{}
	t.Run("scenario", func(t *testing.T) {
		for _, s := range scenarios() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.run(t, newWorld(t, softtoken.SoftHSM, s.options), y)
			})
		}
	})
	fmt.Print(y.scenarios())
}

// run breaks a world, brings a list, heals it, brings what is left, and judges.
func (s scenario) run(t *testing.T, w *world, y *tally) {
	t.Helper()
	l := w.list(t, max(s.rows, 12), specsOf(w.kind), retains())
	heal := func() {}
	if s.breaks != nil {
		heal = s.breaks(t, w)
	}
	y.brought(s.name)
	if s.brings != nil {
		s.brings(t, w, l)
	} else if out := w.run(t, l.imports()...); out.code != 0 {
		t.Log(out)
	}
	late := w.lates(t, s.late)
	heal()
	undecided := w.toTheEnd(t, l, s, y)
	f := w.judge(t, late(t)...)
	f.undecided += undecided
	y.judgedAs(s.name, f)
	f.fails(t)
}

// lates are the calls of which a late commit was injected, once they have committed.
func (w *world) lates(t *testing.T, late bool) func(*testing.T) []faults.CallState {
	t.Helper()
	since := map[string][]string{}
	for cloud, admin := range w.clouds() {
		rules, err := admin.Rules(t.Context())
		fatal(t, err)
		for _, r := range rules {
			if late && r.Kind == faults.Late {
				since[cloud] = append(since[cloud], r.ID)
			}
		}
	}
	return func(t *testing.T) (out []faults.CallState) {
		t.Helper()
		for cloud, ids := range since {
			for _, id := range ids {
				calls, err := w.clouds()[cloud].Calls(t.Context(), faults.CallQuery{Fault: id, Committed: true})
				fatal(t, err)
				out = append(out, calls...)
			}
		}
		return out
	}
}

// resumes is what the program shows where a person must decide.
var resumes = regexp.MustCompile(`keyferry operation resume (\S+)`)

// toTheEnd brings a list again until all of it is there. What is undecided is counted,
// and goes on by the command that the program shows.
func (w *world) toTheEnd(t *testing.T, l list, s scenario, y *tally) (undecided int) {
	t.Helper()
	var out outcome
	for range 6 {
		y.brought(s.name)
		out = w.run(t, l.imports()...)
		if out.code == 0 {
			l.mustBeDone(t, out)
			return undecided
		}
		t.Log(out)
		stopped := w.run(t, "operation", "list", "--state", "undecided", "--output", "json")
		for _, op := range resumes.FindAllStringSubmatch(stopped.stdout, -1) {
			undecided++
			if !s.undecided {
				t.Errorf("a person is asked to decide: %s", stopped)
			}
			if again := w.run(t, "operation", "resume", op[1], "--reason", "test"); again.code != 0 {
				t.Log(again)
			}
		}
	}
	t.Fatalf("it does not come to its end: %s", out)
	return undecided
}
