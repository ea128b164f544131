package faults_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

func TestCallsPassWithoutRules(t *testing.T) {
	t.Parallel()
	b := start(t)
	o := b.send(t.Context(), "Action", "Add")
	b.want(o, 200, "sum=1")
	if o.header.Get("Service") != "counter" {
		t.Error("the emulator's header is lost")
	}
	c := b.wait(faults.CallQuery{State: faults.Answered})
	if !c.Committed || c.Action != "Add" || c.N != 1 || c.Nth != 1 || c.Status != 200 || c.CommittedAt.IsZero() {
		t.Errorf("logged as %+v", c)
	}
}

func TestHoldBeforeAndAfter(t *testing.T) {
	t.Parallel()
	for side, committed := range map[faults.When]int{faults.Before: 0, faults.After: 1} {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			id := b.add(faults.Rule{Kind: faults.Hold, When: side})
			answer := b.later(t.Context(), "Action", "Add")
			c := b.wait(faults.CallQuery{State: faults.Held})
			if c.Side != side || c.Fault != id || c.Committed != (committed == 1) {
				t.Errorf("held as %+v", c)
			}
			b.wantTotal(committed)
			if err := b.admin.Release(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			b.wantTotal(1)
			b.want(<-answer, 200, "sum=1")
		})
	}
}

func TestHeldCallEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for side, committed := range map[faults.When]int{faults.Before: 0, faults.After: 1} {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.add(faults.Rule{Kind: faults.Hold, When: side})
			ctx, cancel := context.WithCancel(t.Context())
			answer := b.later(ctx, "Action", "Add")
			b.wait(faults.CallQuery{State: faults.Held})
			cancel()
			b.lost(<-answer)
			b.wait(faults.CallQuery{State: faults.Abandoned})
			b.wantTotal(committed)
		})
	}
}

func TestFailAndDropOnBothSides(t *testing.T) {
	t.Parallel()
	for _, kind := range []faults.Kind{faults.Fail, faults.Drop} {
		for side, committed := range map[faults.When]int{faults.Before: 0, faults.After: 1} {
			t.Run(string(kind)+" "+string(side), func(t *testing.T) {
				t.Parallel()
				b := start(t)
				b.add(faults.Rule{Kind: kind, When: side, Code: "Broken", Status: 503, Message: "words"})
				o := b.send(t.Context())
				if kind == faults.Fail {
					b.want(o, 503, "words")
				} else {
					b.lost(o)
					b.wait(faults.CallQuery{State: faults.Dropped})
				}
				b.wantTotal(committed)
				b.want(b.send(t.Context()), 200, "sum="+strconv.Itoa(committed+1))
			})
		}
	}
}

func TestLateCommitsByEitherClockOrWhenReleased(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.add(faults.Rule{Kind: faults.Late, After: 0.001})
	b.lost(b.send(t.Context()))
	b.wait(faults.CallQuery{Committed: true})
	b.wantTotal(1)

	b.add(faults.Rule{Kind: faults.Late, After: 3600, Clock: faults.Emulator})
	b.lost(b.send(t.Context()))
	b.wait(faults.CallQuery{State: faults.Waiting})
	b.wantTotal(1)
	if _, err := b.admin.Advance(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	b.wait(faults.CallQuery{Committed: true, Since: 1})
	b.wantTotal(2)

	id := b.add(faults.Rule{Kind: faults.Late, After: 3600})
	b.lost(b.send(t.Context()))
	if err := b.admin.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	b.wantTotal(3)
}

func TestLateCanAwaitTheClientsEnd(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.add(faults.Rule{Kind: faults.Late, Await: true, After: 60, Clock: faults.Emulator})
	ctx, cancel := context.WithCancel(t.Context())
	answer := b.later(ctx)
	b.wait(faults.CallQuery{State: faults.Held})
	cancel()
	b.lost(<-answer)
	b.wait(faults.CallQuery{State: faults.Waiting})
	b.wantTotal(0)
	if _, err := b.admin.SetOffset(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	b.wait(faults.CallQuery{Committed: true})
	b.wantTotal(1)
}

func TestDelayWaitsByTheEmulatorsClock(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.add(faults.Rule{Kind: faults.Delay, After: 7200, Clock: faults.Emulator})
	answer := b.later(t.Context())
	b.wait(faults.CallQuery{State: faults.Held})
	b.wantTotal(0)
	if _, err := b.admin.Advance(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.want(<-answer, 200, "sum=1")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, kind := range []faults.Kind{faults.Throttle, faults.Deny, faults.Expire} {
		b.add(faults.Rule{Kind: kind, Message: string(kind), RetryAfter: 3})
		o := b.send(t.Context())
		b.want(o, 400, string(kind))
		if got := o.header.Get("Retry-After"); (got == "3") != (kind == faults.Throttle) {
			t.Errorf("%s: Retry-After is %q", kind, got)
		}
	}
	b.add(faults.Rule{Kind: faults.Throttle})
	if o := b.send(t.Context()); o.header.Get("Retry-After") != "" {
		t.Error("Retry-After without being asked for")
	}
	b.wantTotal(0)
}

func TestAnswersTruncatedSlowAndFalse(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.add(faults.Rule{Kind: faults.Truncate})
	o := b.send(t.Context())
	if !errors.Is(o.err, io.ErrUnexpectedEOF) || o.body != "su" {
		t.Errorf("truncated to %q, %v", o.body, o.err)
	}
	b.add(faults.Rule{Kind: faults.Slow, After: 0.004})
	b.want(b.send(t.Context()), 200, "sum=2")
	b.add(faults.Rule{Kind: faults.Lie})
	b.want(b.send(t.Context()), 200, "SUM=3")
	b.want(b.send(t.Context()), 200, "sum=4")
}

func TestMatchNthAndCount(t *testing.T) {
	t.Parallel()
	b := start(t)
	id := b.add(faults.Rule{
		Match: faults.Match{Service: "counter", Action: "Add", Key: "k", Tags: map[string]string{"team": "red"}},
		Nth:   2, Count: 2, Kind: faults.Drop,
	})
	for _, other := range [][]string{{"Action", "Sub", "Key", "k", "Team", "red"}, {"Action", "Add", "Key", "l", "Team", "red"}, {"Action", "Add", "Key", "k"}} {
		if o := b.send(t.Context(), other...); o.err != nil {
			t.Errorf("%v was hit: %v", other, o.err)
		}
	}
	var lost []bool
	for range 5 {
		lost = append(lost, b.send(t.Context(), "Action", "Add", "Key", "k", "Team", "red").err != nil)
	}
	if want := []bool{false, true, true, false, false}; !slices.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
	rules, err := b.admin.Rules(t.Context())
	if err != nil || len(rules) != 1 || rules[0].ID != id || rules[0].Hit != 2 || !rules[0].Spent() {
		t.Errorf("rules are %+v, %v", rules, err)
	}
}

func TestEveryCall(t *testing.T) {
	t.Parallel()
	b := start(t)
	id := b.add(faults.Rule{Count: -1, Kind: faults.Drop})
	for range 3 {
		b.lost(b.send(t.Context()))
	}
	if err := b.admin.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	b.want(b.send(t.Context()), 200, "sum=1")
}

func TestRefusedCallIsNotCommitted(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.want(b.send(t.Context(), "Action", "Refused"), 400, "no")
	calls, err := b.admin.Calls(t.Context(), faults.CallQuery{})
	if err != nil || len(calls) != 1 || calls[0].Committed || calls[0].Code != "NoException" {
		t.Errorf("logged %+v, %v", calls, err)
	}
}

func TestRemovingARuleLetsGo(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.add(faults.Rule{Kind: faults.Hold})
	answer := b.later(t.Context())
	b.wait(faults.CallQuery{State: faults.Held})
	if err := b.admin.Remove(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	b.want(<-answer, 200, "sum=1")
}

func TestCloseAndResetEndWhatIsHeldOrLate(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*bench) error{
		"close": func(b *bench) error { b.engine.Close(); return nil },
		"reset": func(b *bench) error { return b.admin.Reset(b.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.add(faults.Rule{Kind: faults.Late, After: 3600})
			b.lost(b.send(t.Context()))
			b.add(faults.Rule{Kind: faults.Hold})
			answer := b.later(t.Context())
			b.wait(faults.CallQuery{State: faults.Held})
			if err := end(b); err != nil {
				t.Fatal(err)
			}
			b.lost(<-answer)
			b.wantTotal(0)
		})
	}
}
