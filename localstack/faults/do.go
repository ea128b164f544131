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
)

// Do performs x for a transport of the caller's own, unless a rule says otherwise.
// ctx must end when the client goes away. A slow answer is returned at its end, as a
// whole. Its errors are [ErrDropped], with no answer, and [ErrTruncated], with the
// whole one.
func (e *Engine) Do(ctx context.Context, x Exchange) (Answer, error) {
	c, h, answer, ok := e.run(ctx, x)
	switch {
	case !ok:
		return Answer{}, ErrDropped
	case h != nil && h.Kind == Truncate:
		return answer, ErrTruncated
	case h != nil && h.Kind == Slow:
		clock := e.clockOf(h)
		if clock.Until(ctx, clock.Now().Add(h.After.Duration()), h.gate.open) != nil {
			e.note(c, func(c *CallState) { c.State = Abandoned })
			return Answer{}, ErrDropped
		}
	}
	return answer, nil
}

// run takes a call to its answer and logs it; false if there is none to give.
func (e *Engine) run(ctx context.Context, x Exchange) (*CallState, *hit, Answer, bool) {
	c, h := e.arrive(x.Call)
	answer, state := e.perform(ctx, c, h, x)
	if state == Waiting { // the goroutine that commits it logs the rest
		return c, h, Answer{}, false
	}
	e.pass(c, h)
	if state != Running {
		e.note(c, func(c *CallState) { c.State = state })
		return c, h, Answer{}, false
	}
	e.note(c, func(c *CallState) { c.State, c.Status = Answered, answer.Status })
	return c, h, answer, true
}
