package chaos_test

import (
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// cut starts the program on a list and kills it where the cut says. It returns false
// where the list ended before that.
func (w *world) cut(t *testing.T, l list, c cut) (run *e2etest.Run, killed bool) {
	t.Helper()
	switch {
	case c.step == anyMoment:
		return w.cutAnyMoment(t, l, c)
	case c.at == "store":
		return w.cutAtStore(t, l, c)
	case c.at == "token":
		return w.cutAtToken(t, l, c, functions()[c.step][c.pick%len(functions()[c.step])])
	default:
		return w.cutAtTarget(t, l, c)
	}
}

// cutAnyMoment kills at a time that nobody chose, from the login on.
func (w *world) cutAnyMoment(t *testing.T, l list, c cut) (run *e2etest.Run, killed bool) {
	t.Helper()
	loaded := w.Shim.On(shim.Rule{Function: "C_Login", When: shim.After})
	defer loaded.Remove()
	run = w.Start(t, l.imports()...)
	_, _ = loaded.Wait(run.Alive(t)) // one that ended is seen below
	select {
	case <-run.Ended():
	case <-time.After(c.delay):
	}
	return run, run.Kill()
}

// cutAtToken kills while the token does something.
func (w *world) cutAtToken(t *testing.T, l list, c cut, function string) (run *e2etest.Run, killed bool) {
	t.Helper()
	rule := shim.Rule{Function: function, Nth: c.nth, TokenObject: c.step == "generate" || c.step == "begin"}
	if c.side == faults.After {
		rule.When = shim.After
	}
	run, point := w.StartHeldAtToken(t, rule, l.imports()...)
	defer point.Remove()
	return run, run.Kill()
}

// cutAtTarget kills while a call to a cloud is held.
func (w *world) cutAtTarget(t *testing.T, l list, c cut) (run *e2etest.Run, killed bool) {
	t.Helper()
	all := reaches()[[2]string{c.step, c.at}]
	way := all[c.pick%len(all)]
	rule := faults.Rule{Kind: faults.Hold, When: c.side, Nth: c.nth, Match: faults.Match{
		Action: way.actions[c.pick/len(all)%len(way.actions)], Region: way.region, Key: way.key,
	}}
	if way.again {
		rule.Match.Key, rule.Nth = w.untouched(t, l, c.at, rule.Match), 2
	}
	if c.step == "fetch" && way.key != "" {
		rule.Nth = 1 // a process asks once
	}
	if c.first() {
		rule.Nth, rule.Count = 1, -1
		l.atOnce = 1 // so that those that are blocked elsewhere leave some to come here
		defer w.block(t, c)()
	}
	run, held := w.StartHeld(t, w.Cloud(c.at), rule, l.imports()...)
	defer held.Remove(t)
	return run, run.Kill()
}

// block holds back what later lines would make before the cut is there: where something
// is made once, it must not be there already when its turn comes.
func (w *world) block(t *testing.T, c cut) (remove func()) {
	t.Helper()
	var removes []func()
	for _, at := range e2etest.Targets() {
		for _, way := range reaches()[[2]string{c.step, at}] {
			if at == c.at {
				continue
			}
			admin := w.Cloud(at)
			id, err := admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, Count: -1, Match: faults.Match{Action: way.actions[0], Region: way.region}})
			fatal(t, err)
			removes = append(removes, func() { fatal(t, admin.Remove(t.Context(), id)) })
		}
	}
	return func() {
		for _, remove := range removes {
			remove()
		}
	}
}

// untouched is the first key of aes in a list for which a call was never made.
func (w *world) untouched(t *testing.T, l list, at string, m faults.Match) string {
	t.Helper()
	calls, err := w.Cloud(at).Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: m.Action, Region: m.Region}})
	fatal(t, err)
	seen := map[string]bool{}
	for _, c := range calls {
		seen[c.Key] = true
	}
	for _, r := range l.rows {
		if r.policy == "secrets" && !seen[r.name] {
			return r.name
		}
	}
	return "none is left" // the list ends, and the next one has some
}

// cutAtStore kills while something cannot be put on record, or just was.
func (w *world) cutAtStore(t *testing.T, l list, c cut) (run *e2etest.Run, killed bool) {
	t.Helper()
	token := cut{cell: cell{step: c.step, at: "token", side: faults.Before}, nth: c.nth}
	switch {
	case c.side == faults.After && c.step == "begin": // on record, and nothing in the token yet
		return w.cutAtToken(t, l, token, []string{"C_GenerateKey", "C_GenerateKeyPair"}[c.pick%2])
	case c.side == faults.After: // on record, and the token does not remember it yet
		return w.cutAtToken(t, l, token, "C_SetAttributeValue")
	case c.step == "begin":
		return w.cutLocked(t, l)
	default:
		return w.cutUnrecorded(t, l)
	}
}

// cutLocked kills while nothing can be begun: another program holds the store.
func (w *world) cutLocked(t *testing.T, l list) (run *e2etest.Run, killed bool) {
	t.Helper()
	unlock := e2etest.Lock(t, w.store)
	defer unlock()
	logins := w.Shim.On(shim.Rule{Function: "C_Login"})
	defer logins.Remove()
	run = w.Start(t, l.imports()...)
	if _, err := logins.Wait(run.Alive(t)); err != nil && !run.Over() {
		t.Fatalf("locked: %v", err)
	}
	w.Quiet(t, run)
	return run, run.Kill()
}

// cutUnrecorded kills when the last proof is answered and cannot be put on record.
func (w *world) cutUnrecorded(t *testing.T, l list) (run *e2etest.Run, killed bool) {
	t.Helper()
	m := faults.Match{Action: "Decrypt", Region: "pool"}
	m.Key = w.untouched(t, l, "pool", m)
	run, held := w.StartHeld(t, w.Cloud("pool"), faults.Rule{Kind: faults.Hold, When: faults.After, Nth: 2, Match: m}, l.imports()...)
	if run.Over() {
		held.Remove(t)
		return run, run.Kill()
	}
	unlock := e2etest.Lock(t, w.store)
	defer unlock()
	held.Remove(t)
	run.Waits(t, w.Cloud("pool"), faults.CallQuery{Match: m, State: faults.Answered, Since: held.N - 1})
	w.Quiet(t, run)
	return run, run.Kill()
}
