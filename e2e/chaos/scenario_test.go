package chaos_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// scenario is one thing that goes wrong while a list of keys is brought.
type scenario struct {
	name    string
	options options
	breaks  func(t *testing.T, w *world) (heal func())
	brings  func(t *testing.T, w *world, l list) (last list, kills int) // the list and, after it, others; nil: one process, once
	late    bool                                                        // what commits late does so after its target has settled
	decides func(t *testing.T, w *world)                                // what a person does as told where something is undecided; nil: nothing may be
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
	n := y.of(s.name)
	l := w.list(t, retains())
	heal := func() {}
	if s.breaks != nil {
		heal = s.breaks(t, w)
	}
	if s.brings != nil {
		l, n.kills = s.brings(t, w, l)
	} else {
		t.Log(w.Run(t, l.imports()...))
	}
	injected := map[string][]string{}
	if s.late {
		injected = w.injected(t)
	}
	heal()
	w.toTheEnd(t, l, s, n)
	undecided := n.undecided
	n.findings = w.judge(t, w.committed(t, injected)...)
	n.undecided += undecided
	n.fails(t)
	if s.late && n.late == 0 || s.decides != nil && undecided == 0 {
		t.Errorf("the scenario did not come about: %d late, %d undecided", n.late, undecided)
	}
}

// injected are the rules by which something commits late, by cloud.
func (w *world) injected(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for cloud, admin := range w.Admins() {
		rules, err := admin.Rules(t.Context())
		fatal(t, err)
		for _, r := range rules {
			if r.Kind == faults.Late {
				out[cloud] = append(out[cloud], r.ID)
			}
		}
	}
	return out
}

// committed are the calls of rules that have committed.
func (w *world) committed(t *testing.T, rules map[string][]string) (out []faults.CallState) {
	t.Helper()
	for cloud, ids := range rules {
		for _, id := range ids {
			calls, err := w.Admins()[cloud].Calls(t.Context(), faults.CallQuery{Fault: id, Committed: true})
			fatal(t, err)
			out = append(out, calls...)
		}
	}
	return out
}

// resumes is what the program shows where a person must decide.
var resumes = regexp.MustCompile(`keyferry operation resume (\S+)`)

// toTheEnd brings a list again until all of it is there. What is undecided is counted;
// where it may be, a person does as told, and it goes on by the command that is shown.
func (w *world) toTheEnd(t *testing.T, l list, s scenario, n *named) {
	t.Helper()
	var out e2etest.Outcome
	for range 6 {
		n.runs++
		out = w.Run(t, l.imports()...)
		if out.Code == 0 {
			l.mustBeDone(t, out)
			return
		}
		t.Log(out)
		stopped := undecided(out)
		n.undecided += len(stopped)
		switch {
		case len(stopped) == 0:
		case s.decides == nil:
			t.Errorf("a person is asked to decide: %v", stopped)
		default:
			s.decides(t, w)
			w.resume(t, stopped)
		}
	}
	t.Fatalf("it does not come to its end: %s", out)
}

// undecided are the rows that wait for a person.
func undecided(o e2etest.Outcome) (rows []answered) {
	for _, a := range answers(o) {
		if undecidedReason.MatchString(a.Reason) {
			rows = append(rows, a)
		}
	}
	return rows
}

var shows = regexp.MustCompile(`keyferry operation show (\S+)`)

var undecidedReason = regexp.MustCompile(`\bundecided\b`)

// resume does what the rows show, which is all that a person has.
func (w *world) resume(t *testing.T, stopped []answered) {
	t.Helper()
	for _, a := range stopped {
		way := a.Do
		if at := shows.FindStringSubmatch(way); at != nil {
			way = w.Must(t, "operation", "show", at[1]).Stdout
		}
		shown := resumes.FindStringSubmatch(way)
		if shown == nil {
			t.Errorf("%s is undecided, and no way on is shown: %+v", a.Key, a)
			continue
		}
		w.Must(t, "operation", "resume", shown[1], "--reason", "test")
	}
}
