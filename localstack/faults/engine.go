package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrNoRule is that no rule has the id.
var ErrNoRule = errors.New("no such fault rule")

// Engine holds the rules of one emulator and the log of its calls.
type Engine struct {
	clock *Clock // the emulator's
	real  *Clock

	mu      sync.Mutex
	rules   []*rule
	made    int // rules ever added, for their ids
	calls   []*CallState
	nth     map[string]int // calls by service and action
	changed chan struct{}  // closed and made anew when a call changes
	closed  bool

	late sync.WaitGroup
}

// rule is a rule in force. Its fields are the engine's lock's.
type rule struct {
	RuleState
	gate *gate
	held map[int]chan struct{} // by call; closed when that call has gone on
}

// gate is what held calls wait at.
type gate struct {
	open    chan struct{}
	abandon bool // they end here instead of going on
}

// NewEngine has no rules. now tells real time.
func NewEngine(clock *Clock, now func() time.Time) *Engine {
	return &Engine{clock: clock, real: NewClock(now), nth: map[string]int{}, changed: make(chan struct{})}
}

// Add puts r in force.
func (e *Engine) Add(r Rule) (RuleState, error) {
	if err := r.Check(); err != nil {
		return RuleState{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made++
	if r.ID == "" {
		r.ID = fmt.Sprintf("fault-%d", e.made)
	}
	if e.find(r.ID) != nil {
		return RuleState{}, fmt.Errorf("%w: id %q is taken", errRule, r.ID)
	}
	added := &rule{RuleState: RuleState{Rule: r}, gate: newGate(), held: map[int]chan struct{}{}}
	e.rules = append(e.rules, added)
	return added.RuleState, nil
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

// Rules are those in force and spent ones, in the order they were added.
func (e *Engine) Rules() []RuleState {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]RuleState, 0, len(e.rules))
	for _, r := range e.rules {
		out = append(out, r.RuleState)
	}
	return out
}

// Remove takes the rule out, or all for an empty id; what it holds goes on.
func (e *Engine) Remove(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id != "" && e.find(id) == nil {
		return fmt.Errorf("%w: %q", ErrNoRule, id)
	}
	e.rules = slices.DeleteFunc(e.rules, func(r *rule) bool {
		if id != "" && r.ID != id {
			return false
		}
		close(r.gate.open)
		r.gate = newGate()
		return true
	})
	return nil
}

// Release lets go on what the rule holds or makes late now, and waits until that
// has committed, if it was to.
func (e *Engine) Release(ctx context.Context, id string) error {
	e.mu.Lock()
	r := e.find(id)
	if r == nil {
		e.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoRule, id)
	}
	var gone []chan struct{}
	for _, c := range r.held {
		gone = append(gone, c)
	}
	close(r.gate.open)
	r.gate = newGate()
	e.mu.Unlock()
	for _, c := range gone {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Reset removes all rules, ends what they hold, and empties the log.
func (e *Engine) Reset() {
	e.end(false)
	e.late.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls, e.nth = nil, map[string]int{}
}

// Close ends what is held or late, without committing it, and waits for that.
// Nothing is held or late afterwards.
func (e *Engine) Close() {
	e.end(true)
	e.late.Wait()
}

func (e *Engine) end(closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = e.closed || closed
	for _, r := range e.rules {
		r.gate.abandon = true
		close(r.gate.open)
		r.gate = newGate()
	}
	e.rules = nil
}

// find needs the lock.
func (e *Engine) find(id string) *rule {
	i := slices.IndexFunc(e.rules, func(r *rule) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return e.rules[i]
}

// hit is a rule at work on one call.
type hit struct {
	Rule
	gate *gate
	gone chan struct{} // closed by pass
}

// choose counts the call at every rule it matches and returns the first whose
// turn it is; nil for none. It needs the lock.
func (e *Engine) choose(c *CallState) *hit {
	var chosen *hit
	for _, r := range e.rules {
		if r.Spent() || !r.Match.fits(c.Call) {
			continue
		}
		r.Matched++
		if chosen != nil || r.Matched < max(r.Nth, 1) {
			continue
		}
		r.Hit++
		c.Fault = r.ID
		chosen = &hit{Rule: r.Rule, gate: r.gate, gone: make(chan struct{})}
		r.held[c.N] = chosen.gone
	}
	return chosen
}

// pass tells those who released the rule that the call has gone on.
func (e *Engine) pass(c *CallState, h *hit) {
	if h == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-h.gone:
	default:
		close(h.gone)
	}
	if r := e.find(h.ID); r != nil {
		delete(r.held, c.N)
	}
}
