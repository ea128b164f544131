package shim

import (
	"context"
	"errors"
	"net"
)

// accept takes a connection a call until the listener is closed.
func (s *Shim) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.tasks.Go(func() { s.serve(conn) })
	}
}

// serve takes part in one call. It ends early when the caller's process dies; what was done until then stays in the log.
func (s *Shim) serve(conn net.Conn) {
	var q question
	if receive(conn, &q) != nil {
		_ = conn.Close()
		return
	}
	ctx, results, end := s.hear(conn)
	defer end()

	c := q.call()
	p := s.begin(c)
	defer s.left(c)
	if !p.stay(ctx, Before, *c) {
		return
	}
	s.goesOn(c)
	v := s.decide(c, p)
	if send(conn, v) != nil {
		s.undecided(c)
		return
	}
	if v.Action == answered {
		return
	}
	if result, alive := <-results; alive {
		s.did(c, uint(result))
		if p.stay(ctx, After, *c) && send(conn, s.finish(c, p)) != nil {
			s.unheard(c)
		}
	}
}

var errDied = errors.New("the caller's process died")

// hear reads what comes on conn all the time, so that the death of the caller's process is noticed: it ends ctx, as Close does.
func (s *Shim) hear(conn net.Conn) (ctx context.Context, results <-chan uint64, end func()) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	heard, over := make(chan uint64, 1), make(chan struct{})
	go func() {
		defer close(over)
		defer close(heard)
		defer cancel(errDied)
		var result uint64
		for receive(conn, &result) == nil {
			heard <- result
		}
	}()
	return ctx, heard, func() { _ = conn.Close(); <-over }
}

// begin notes c and finds the rule that changes it; nil when there is none.
func (s *Shim) begin(c *Call) *Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	c.Seq = len(s.calls)
	var found *Point
	for _, p := range s.points {
		if p.meets(c) && found == nil {
			found = p
			p.hits++
		}
	}
	c.inside = found == nil || found.rule.When != Before || !found.rule.Hold
	return found
}

// goesOn notes that c is not held any more.
func (s *Shim) goesOn(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.inside = true
}

// decide says what becomes of c, whose process may have waited until now.
func (s *Shim) decide(c *Call, p *Point) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	away := s.away[c.PID]
	if away {
		delete(s.sessions, c.PID)
	}
	v := s.condition.verdict(c, s.sessions[c.PID])
	if p.answers(Before) {
		v = answer(uint64(p.rule.Result))
	}
	if v.Action == answered {
		c.Result, c.Done = uint(v.Result), true
		return v
	}
	c.Forwarded = true
	if away {
		v.Purge = 1
		delete(s.away, c.PID)
	}
	if c.Function == "C_OpenSession" {
		s.sessions[c.PID]++
	}
	return v
}

// did notes what the real module answered. A session counts from the moment it is asked for, so that two cannot pass a limit at once.
func (s *Shim) did(c *Call, result uint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Real, c.inside = result, false
	switch {
	case c.Function == "C_OpenSession" && result != 0, c.Function == "C_CloseSession" && result == 0:
		s.sessions[c.PID]--
	case (c.Function == "C_CloseAllSessions" || c.Function == "C_Finalize") && result == 0:
		delete(s.sessions, c.PID)
	}
}

// left notes that c is over, or its process died.
func (s *Shim) left(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.inside = false
}

// finish notes and returns what the caller is given.
func (s *Shim) finish(c *Call, p *Point) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Result, c.Done = c.Real, true
	if p.answers(After) {
		c.Result = p.rule.Result
	}
	return uint64(c.Result)
}

// undecided takes back what decide noted: the verdict reached nobody.
func (s *Shim) undecided(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Forwarded, c.Done, c.Result = false, false, 0
}

// unheard takes back what finish noted.
func (s *Shim) unheard(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Done, c.Result = false, 0
}
