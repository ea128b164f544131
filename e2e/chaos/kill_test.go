package chaos_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// cut starts the program on a list and kills it where the cut says. It returns false
// where the list ended before that.
func (w *world) cut(t *testing.T, l list, c cut) (run *started, killed bool) {
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

// cutAnyMoment kills at a time that nobody chose, from the login on: at each one SoftHSM
// truncates its token.object and writes it again, and killed between the two it has no
// token any more, which nothing of ours can heal.
func (w *world) cutAnyMoment(t *testing.T, l list, c cut) (run *started, killed bool) {
	t.Helper()
	loaded := w.shim.On(shim.Rule{Function: "C_Login", When: shim.After})
	defer loaded.Remove()
	run = w.start(t, l.imports()...)
	_, _ = loaded.Wait(run.alive(t)) // one that ended is seen below
	select {
	case <-run.ended:
	case <-time.After(c.delay):
	}
	return run, run.kill()
}

// alive is a context that ends with the run.
func (r *started) alive(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	go func() {
		<-r.ended
		cancel()
	}()
	return ctx
}

// cutAtToken kills while the token does something.
func (w *world) cutAtToken(t *testing.T, l list, c cut, function string) (run *started, killed bool) {
	t.Helper()
	rule := shim.Rule{Function: function, Nth: c.nth, Hold: true, TokenObject: c.step == "generate" || c.step == "begin"}
	if c.side == faults.After {
		rule.When = shim.After
	}
	point := w.shim.On(rule)
	defer point.Remove()
	run = w.start(t, l.imports()...)
	if _, err := point.Wait(run.alive(t)); err != nil && !run.over() {
		t.Fatalf("%+v: %v", c, err)
	}
	return run, run.kill()
}

// cutAtTarget kills while a call to a cloud is held.
func (w *world) cutAtTarget(t *testing.T, l list, c cut) (run *started, killed bool) {
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
	run, _, remove := w.heldAt(t, l, c.at, rule)
	defer remove()
	return run, run.kill()
}

// heldAt starts the program and waits until a call is held, or the program has ended.
func (w *world) heldAt(t *testing.T, l list, at string, rule faults.Rule) (run *started, held faults.CallState, remove func()) {
	t.Helper()
	admin := w.cloud(at)
	id, err := admin.Add(t.Context(), rule)
	fatal(t, err)
	run = w.start(t, l.imports()...)
	held = run.waits(t, admin, faults.CallQuery{Fault: id, State: faults.Held})
	return run, held, func() { fatal(t, admin.Remove(t.Context(), id)) }
}

// waits until a cloud has a call, or the run has ended.
func (r *started) waits(t *testing.T, cloud faults.Client, q faults.CallQuery) faults.CallState {
	t.Helper()
	found, err := called(r.alive(t), cloud, q)
	if err != nil && !r.over() {
		t.Fatalf("wait for %+v: %v", q, err)
	}
	return found
}

// called waits for a call for as long as ctx lasts.
func called(ctx context.Context, cloud faults.Client, q faults.CallQuery) (faults.CallState, error) {
	for {
		found, err := cloud.Wait(ctx, q)
		if !errors.Is(err, faults.ErrTimeout) {
			return found, err
		}
	}
}

// block holds back what later lines would make before the cut is there: where something
// is made once, it must not be there already when its turn comes.
func (w *world) block(t *testing.T, c cut) (remove func()) {
	t.Helper()
	var removes []func()
	for _, at := range targets() {
		for _, way := range reaches()[[2]string{c.step, at}] {
			if at == c.at {
				continue
			}
			admin := w.cloud(at)
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
	calls, err := w.cloud(at).Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: m.Action, Region: m.Region}})
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
func (w *world) cutAtStore(t *testing.T, l list, c cut) (run *started, killed bool) {
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
func (w *world) cutLocked(t *testing.T, l list) (run *started, killed bool) {
	t.Helper()
	unlock := w.lock(t)
	defer unlock()
	logins := w.shim.On(shim.Rule{Function: "C_Login"})
	defer logins.Remove()
	run = w.start(t, l.imports()...)
	if _, err := logins.Wait(run.alive(t)); err != nil && !run.over() {
		t.Fatalf("locked: %v", err)
	}
	w.quiet(t, run)
	return run, run.kill()
}

// quiet waits until a run asks the token for nothing any more.
func (w *world) quiet(t *testing.T, run *started) {
	t.Helper()
	every := w.shim.On(shim.Rule{PID: run.cmd.Process.Pid})
	defer every.Remove()
	for last := -1; last != every.Hits() && !run.over(); {
		last = every.Hits()
		select {
		case <-run.ended:
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// cutUnrecorded kills when the last proof is answered and cannot be put on record.
func (w *world) cutUnrecorded(t *testing.T, l list) (run *started, killed bool) {
	t.Helper()
	m := faults.Match{Action: "Decrypt", Region: "pool"}
	m.Key = w.untouched(t, l, "pool", m)
	run, held, remove := w.heldAt(t, l, "pool", faults.Rule{Kind: faults.Hold, When: faults.After, Nth: 2, Match: m})
	if run.over() {
		remove()
		return run, run.kill()
	}
	unlock := w.lock(t)
	defer unlock()
	remove()
	run.waits(t, w.cloud("pool"), faults.CallQuery{Match: m, State: faults.Answered, Since: held.N - 1})
	w.quiet(t, run)
	return run, run.kill()
}

// lock holds the store as another program would, until the returned function.
func (w *world) lock(t *testing.T) (unlock func()) {
	t.Helper()
	release, err := e2etest.Lock(t.Context(), w.store)
	fatal(t, err)
	return func() { check(t, release()) }
}
