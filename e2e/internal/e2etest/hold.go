package e2etest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Held is a call to a cloud that a rule has in its hands. The rule is there also where
// the run ended before any call came to it.
type Held struct {
	faults.CallState
	cloud faults.Client
	rule  string
}

// Release lets go what is held.
func (h Held) Release(t *testing.T) { t.Helper(); fatal(t, h.cloud.Release(t.Context(), h.rule)) }

// Remove lets go what is held, and takes out the rule.
func (h Held) Remove(t *testing.T) { t.Helper(); fatal(t, h.cloud.Remove(t.Context(), h.rule)) }

// StartHeld starts the program, and waits until a call to a cloud fits a rule that holds
// it, or the program has ended.
func (s *Site) StartHeld(t *testing.T, cloud faults.Client, rule faults.Rule, args ...string) (*Run, Held) {
	t.Helper()
	id, err := cloud.Add(t.Context(), rule)
	fatal(t, err)
	run := s.Start(t, args...)
	return run, Held{run.Waits(t, cloud, faults.CallQuery{Fault: id, State: faults.Held}), cloud, id}
}

// Waits until a cloud has a call, or the run has ended.
func (r *Run) Waits(t *testing.T, cloud faults.Client, q faults.CallQuery) faults.CallState {
	t.Helper()
	found, err := Called(r.Alive(t), cloud, q)
	if err != nil && !r.Over() {
		t.Fatalf("wait for %+v: %v", q, err)
	}
	return found
}

// Called waits for a call for as long as ctx lasts.
func Called(ctx context.Context, cloud faults.Client, q faults.CallQuery) (faults.CallState, error) {
	for {
		found, err := cloud.Wait(ctx, q)
		if !errors.Is(err, faults.ErrTimeout) {
			return found, err
		}
	}
}

// StartHeldAtToken does as StartHeld for a call to the token.
func (s *Site) StartHeldAtToken(t *testing.T, rule shim.Rule, args ...string) (*Run, *shim.Point) {
	t.Helper()
	rule.Hold = true
	point := s.Shim.On(rule)
	run := s.Start(t, args...)
	if _, err := point.Wait(run.Alive(t)); err != nil && !run.Over() {
		t.Fatalf("wait for %+v: %v", rule, err)
	}
	return run, point
}

// Quiet waits until a run asks the token for nothing any more, or has ended.
func (s *Site) Quiet(t *testing.T, run *Run) {
	t.Helper()
	every := s.Shim.On(shim.Rule{PID: run.Cmd.Process.Pid})
	defer every.Remove()
	for last := -1; last != every.Hits() && !run.Over(); {
		last = every.Hits()
		select {
		case <-run.ended:
		case <-time.After(200 * time.Millisecond):
		}
	}
}
