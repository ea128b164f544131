package faults

import (
	"context"
	"errors"
)

// Errors of [Engine.Do]: what a transport other than HTTP does instead of answering.
var (
	// ErrDropped: close the connection without an answer.
	ErrDropped = errors.New("the call is dropped")
	// ErrTruncated: begin the answer, then close the connection.
	ErrTruncated = errors.New("the answer is cut off")
	// ErrAbandoned: nobody waits for an answer. What else shares the connection goes on.
	ErrAbandoned = errors.New("the client gave up")
)

// Do performs x for a transport of the caller's own, unless a rule says otherwise.
// ctx must end when the client goes away. A slow answer is returned at its end, as a
// whole. Its errors are [ErrDropped] and [ErrAbandoned], with no answer, and
// [ErrTruncated], with the whole one.
func (e *Engine) Do(ctx context.Context, x Exchange) (Answer, error) {
	c, h, answer, state := e.run(ctx, x)
	switch {
	case state == Abandoned:
		return Answer{}, ErrAbandoned
	case state != Answered:
		return Answer{}, ErrDropped
	case h != nil && h.Kind == Truncate:
		return answer, ErrTruncated
	case h != nil && h.Kind == Slow:
		clock := e.clockOf(h)
		if clock.Until(ctx, clock.Now().Add(h.After.Duration()), h.gate.open) != nil {
			e.note(c, func(c *CallState) { c.State = Abandoned })
			return Answer{}, ErrAbandoned
		}
	}
	return answer, nil
}

// run takes a call as far as it comes and logs it. There is an answer if it comes to
// Answered.
func (e *Engine) run(ctx context.Context, x Exchange) (*CallState, *hit, Answer, State) {
	c, h := e.arrive(x.Call)
	answer, state := e.perform(ctx, c, h, x)
	if state == Waiting { // the goroutine that commits it logs the rest
		return c, h, Answer{}, state
	}
	e.pass(c, h)
	if state != Running {
		e.note(c, func(c *CallState) { c.State = state })
		return c, h, Answer{}, state
	}
	e.note(c, func(c *CallState) { c.State, c.Status = Answered, answer.Status })
	return c, h, answer, Answered
}
