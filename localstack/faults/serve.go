package faults

import (
	"context"
	"maps"
	"net/http"
	"time"
)

// Serve performs x and answers it, unless a rule says otherwise. The request's
// body must have been read: only then is a client that goes away noticed. It
// panics with http.ErrAbortHandler where the connection is to be closed.
func (e *Engine) Serve(w http.ResponseWriter, r *http.Request, x Exchange) {
	_, h, answer, state := e.run(r.Context(), x)
	if state != Answered || !e.write(r.Context(), w, h, answer) {
		panic(http.ErrAbortHandler)
	}
}

// perform takes a call to its answer. Another state than Running means that
// there is none to write.
func (e *Engine) perform(ctx context.Context, c *CallState, h *hit, x Exchange) (Answer, State) {
	answer, state := e.act(ctx, c, h, x, Before)
	if state != Running || answer.Status != 0 {
		return answer, state
	}
	if h != nil && h.Kind == Late {
		return Answer{}, e.makeLate(ctx, c, h, x)
	}
	truth := e.commit(c, x)
	answer, state = e.act(ctx, c, h, x, After)
	switch {
	case state != Running || answer.Status != 0:
		return answer, state
	case h != nil && h.Kind == Lie:
		return x.Lie(truth), Running
	}
	return truth, Running
}

// act does what a rule does on one side of the commit. An answer with a status
// is given instead of the true one.
func (e *Engine) act(ctx context.Context, c *CallState, h *hit, x Exchange, side When) (Answer, State) {
	if h == nil || h.when() != side {
		return Answer{}, Running
	}
	switch h.Kind {
	case Hold:
		return Answer{}, e.hold(ctx, c, h, side)
	case Delay:
		return Answer{}, e.delay(ctx, c, h, side)
	case Drop:
		return Answer{}, Dropped
	case Fail, Throttle, Deny, Expire:
		answer := x.Refuse(Refusal{Kind: h.Kind, Code: h.Code, Status: h.Status, Message: h.Message})
		if answer.Header == nil {
			answer.Header = http.Header{}
		}
		maps.Copy(answer.Header, h.header())
		return answer, Running
	default:
		return Answer{}, Running
	}
}

// commit performs x and logs its outcome.
func (e *Engine) commit(c *CallState, x Exchange) Answer {
	answer := x.Commit()
	e.note(c, func(c *CallState) {
		c.Code, c.Committed = answer.Code, answer.Code == ""
		if c.Committed {
			c.CommittedAt = e.clock.Now()
		}
	})
	return answer
}

// hold waits to be released.
func (e *Engine) hold(ctx context.Context, c *CallState, h *hit, side When) State {
	e.note(c, func(c *CallState) { c.State, c.Side = Held, side })
	select {
	case <-h.gate.open:
	case <-ctx.Done():
		return Abandoned
	}
	return e.goOn(c, h)
}

// delay is a hold that ends by itself.
func (e *Engine) delay(ctx context.Context, c *CallState, h *hit, side When) State {
	clock := e.clockOf(h)
	at := clock.Now().Add(h.After.Duration())
	e.note(c, func(c *CallState) { c.State, c.Side = Held, side })
	if err := clock.Until(ctx, at, h.gate.open); err != nil {
		return Abandoned
	}
	return e.goOn(c, h)
}

// goOn lets a held call run, unless the engine ended it.
func (e *Engine) goOn(c *CallState, h *hit) State {
	if e.gaveUp(h) {
		return Dropped
	}
	e.note(c, func(c *CallState) { c.State = Running })
	return Running
}

// makeLate leaves the commit to a goroutine that Close and Reset wait for.
func (e *Engine) makeLate(ctx context.Context, c *CallState, h *hit, x Exchange) State {
	if h.Await {
		e.note(c, func(c *CallState) { c.State, c.Side = Held, Before })
		select {
		case <-ctx.Done():
		case <-h.gate.open:
		}
	}
	clock := e.clockOf(h)
	at := clock.Now().Add(h.After.Duration())
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return Dropped
	}
	c.State = Waiting
	e.tell()
	e.late.Go(func() { e.commitLate(context.WithoutCancel(ctx), c, h, x, at) })
	return Waiting
}

func (e *Engine) commitLate(ctx context.Context, c *CallState, h *hit, x Exchange, at time.Time) {
	_ = e.clockOf(h).Until(ctx, at, h.gate.open) // its context never ends; the gate does
	if !e.gaveUp(h) {
		e.commit(c, x)
	}
	e.note(c, func(c *CallState) { c.State = Dropped })
	e.pass(c, h)
}

// gaveUp reports whether the engine ended the calls at this gate.
func (e *Engine) gaveUp(h *hit) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return h.gate.abandon
}

func (e *Engine) clockOf(h *hit) *Clock {
	if h.Clock == Emulator {
		return e.clock
	}
	return e.real
}
