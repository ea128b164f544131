package shim

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Pause holds the calls of these functions before the module does them, and waits until it is at none of them: from then until
// resume, a process that dies leaves nothing of theirs half done. What other points hold stays with them.
func (s *Shim) Pause(ctx context.Context, functions ...string) (resume func(), err error) {
	var points []*Point
	for _, f := range functions {
		points = append(points, s.first(Rule{Function: f, Hold: true}))
	}
	resume = func() {
		for _, p := range points {
			p.Remove()
		}
	}
	for s.isInside(functions) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			resume()
			return nil, fmt.Errorf("pause %v: %w", functions, context.Cause(ctx))
		}
	}
	return resume, nil
}

// first adds a rule that is in force before all that there are.
func (s *Shim) first(r Rule) *Point {
	p := s.On(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.points, p)
	s.points = slices.Insert(slices.Delete(s.points, at, at+1), 0, p)
	return p
}

func (s *Shim) isInside(functions []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.calls, func(c *Call) bool { return c.inside && c.isOneOf(functions) })
}
