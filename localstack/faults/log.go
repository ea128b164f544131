package faults

import (
	"context"
)

// arrive logs a call and chooses the rule that acts on it; nil for none.
func (e *Engine) arrive(call Call) (*CallState, *hit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := call.Service + ":" + call.Action
	e.nth[name]++
	c := &CallState{Call: call, N: len(e.calls) + 1, Nth: e.nth[name], State: Running, At: e.clock.Now()}
	e.calls = append(e.calls, c)
	h := e.choose(c)
	e.tell()
	return c, h
}

// note changes a call's line.
func (e *Engine) note(c *CallState, f func(*CallState)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(c)
	e.tell()
}

// tell wakes those who wait for calls. It needs the lock.
func (e *Engine) tell() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// Calls is the log of calls that fit q, oldest first.
func (e *Engine) Calls(q CallQuery) []CallState {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []CallState{}
	for _, c := range e.calls {
		if q.fits(*c) {
			out = append(out, *c)
		}
	}
	return out
}

// Wait returns the first call that fits q as soon as there is one. Its error is
// the context's.
func (e *Engine) Wait(ctx context.Context, q CallQuery) (CallState, error) {
	for {
		e.mu.Lock()
		for _, c := range e.calls {
			if q.fits(*c) {
				defer e.mu.Unlock()
				return *c, nil
			}
		}
		changed := e.changed
		e.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return CallState{}, ctx.Err()
		}
	}
}
