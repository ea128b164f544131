package faults_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// line is an emulator of one number behind a transport of its own.
type line struct {
	*testing.T
	engine *faults.Engine
	clock  *faults.Clock
	sum    int
}

func newLine(t *testing.T) *line {
	t.Helper()
	clock := faults.NewClock(time.Now)
	l := &line{T: t, clock: clock, engine: faults.NewEngine(clock, time.Now)}
	t.Cleanup(l.engine.Close)
	return l
}

func (l *line) exchange() faults.Exchange {
	return faults.Exchange{
		Call:   faults.Call{Service: "line", Action: "Add"},
		Commit: func() faults.Answer { l.sum++; return faults.Answer{Status: http.StatusOK, Body: []byte("true")} },
		Refuse: func(f faults.Refusal) faults.Answer {
			return faults.Answer{Status: max(f.Status, http.StatusBadRequest), Code: string(f.Kind)}
		},
		Lie: func(a faults.Answer) faults.Answer { a.Body = []byte("false"); return a },
	}
}

// call adds a rule, if it has a kind, and makes a call.
func (l *line) call(ctx context.Context, r faults.Rule) (faults.Answer, error) {
	l.Helper()
	if r.Kind != "" {
		if _, err := l.engine.Add(r); err != nil {
			l.Fatal(err)
		}
	}
	return l.engine.Do(ctx, l.exchange())
}

func TestDoDoesWhatServeDoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule faults.Rule
		body string
		code string
		err  error
		sum  int
		want faults.State
	}{
		{rule: faults.Rule{}, body: "true", sum: 1, want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Lie}, body: "false", sum: 1, want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Slow, After: 0.001}, body: "true", sum: 1, want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Delay, After: 0.001}, body: "true", sum: 1, want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Deny}, code: "deny", want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Fail, Code: "x", Status: 503, When: faults.After}, code: "fail", sum: 1, want: faults.Answered},
		{rule: faults.Rule{Kind: faults.Drop}, err: faults.ErrDropped, want: faults.Dropped},
		{rule: faults.Rule{Kind: faults.Drop, When: faults.After}, err: faults.ErrDropped, sum: 1, want: faults.Dropped},
		{rule: faults.Rule{Kind: faults.Truncate}, body: "true", err: faults.ErrTruncated, sum: 1, want: faults.Answered},
	} {
		t.Run(string(tt.rule.Kind+" ")+string(tt.rule.When), func(t *testing.T) {
			t.Parallel()
			l := newLine(t)
			a, err := l.call(t.Context(), tt.rule)
			if !errors.Is(err, tt.err) || string(a.Body) != tt.body || a.Code != tt.code || l.sum != tt.sum {
				t.Errorf("%q %q, %v, sum %d", a.Body, a.Code, err, l.sum)
			}
			if c := l.engine.Calls(faults.CallQuery{}); len(c) != 1 || c[0].State != tt.want {
				t.Errorf("logged as %+v", c)
			}
		})
	}
}

func TestDoCommitsLate(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	if _, err := l.call(t.Context(), faults.Rule{Kind: faults.Late, After: 60, Clock: faults.Emulator}); !errors.Is(err, faults.ErrDropped) {
		t.Errorf("answered: %v", err)
	}
	l.clock.Advance(time.Minute)
	if _, err := l.engine.Wait(t.Context(), faults.CallQuery{State: faults.Dropped, Committed: true}); err != nil || l.sum != 1 {
		t.Errorf("sum %d, %v", l.sum, err)
	}
}

// What is held or slow ends with its client.
func TestDoEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for kind, sum := range map[faults.Kind]int{faults.Hold: 0, faults.Slow: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := newLine(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := l.call(ctx, faults.Rule{Kind: kind, After: 3600}); !errors.Is(err, faults.ErrAbandoned) {
				t.Errorf("answered: %v", err)
			}
			if c := l.engine.Calls(faults.CallQuery{State: faults.Abandoned}); len(c) != 1 || l.sum != sum {
				t.Errorf("sum %d, logged as %+v", l.sum, c)
			}
		})
	}
}
