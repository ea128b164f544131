// Package pace lets calls leave as fast as a provider's quotas allow, and no faster:
// evenly, at a little less than the quota, so that what a network does to their
// distances does not bring two of them too close. docs/decisions/pacing.md has the
// rules and why they are so.
package pace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Place is one account of a provider at one place: what its quotas are counted by.
// All targets there share it. It is safe for concurrent use. A nil Place lets
// everything go at once.
type Place struct {
	now func() time.Time

	mu     sync.Mutex
	quotas map[string]*quota // by name
}

// New is a place where nothing was called yet.
func New(now func() time.Time) *Place { return &Place{now: now, quotas: map[string]*quota{}} }

// Pacer is what one adapter's calls wait for at a place. It is safe for concurrent use.
// A nil Pacer lets everything go at once.
type Pacer struct {
	now func() time.Time
	of  map[string][]share // by call
}

// share is what a call takes of a quota.
type share struct {
	*quota
	weight int
}

// Pacer is one for calls that these quotas are of. A quota that the place has already,
// by its name, is that one.
func (p *Place) Pacer(quotas []broker.Quota) *Pacer {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &Pacer{now: p.now, of: map[string][]share{}}
	for _, q := range quotas {
		if p.quotas[q.Name] == nil {
			p.quotas[q.Name] = newQuota(q)
		}
		for _, call := range q.Calls {
			out.of[call] = append(out.of[call], share{p.quotas[q.Name], q.Weight(call)})
		}
	}
	return out
}

// Wait until the call may leave. What has no quota may at once. An error is Throttled:
// the context ended while it waited, or would soon, and nothing was sent.
func (p *Pacer) Wait(ctx context.Context, call string) error {
	if p == nil || len(p.of[call]) == 0 {
		return nil
	}
	ctx, cancel := leavingRoom(ctx)
	defer cancel()
	for _, s := range p.of[call] {
		if err := s.wait(ctx, p.now, s.weight); err != nil {
			return &broker.Error{
				Kind: broker.Throttled, Op: "wait for the quota of", Object: call,
				Cause: fmt.Errorf("%g a second, shared by all that is done there: %w", s.perSecond, err),
			}
		}
	}
	return nil
}

// room is what a call needs of its context's time when it has left; less where the
// context had less than twice as much.
const room = 3 * time.Minute

// leavingRoom is a context that ends while there is time yet: what leaves in the last
// moment is cut, and nobody knows what it did. Whoever asks again waits anew.
func leavingRoom(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, left-min(left/2, room))
}

// Answered says that a call was answered, and not that it was throttled.
func (p *Pacer) Answered(call string) {
	if p == nil {
		return
	}
	for _, s := range p.of[call] {
		s.recover(p.now())
	}
}

// Throttled says that a call was answered with that; after is when it may be made
// again, as the provider said, or 0.
func (p *Pacer) Throttled(call string, after time.Duration) {
	if p == nil {
		return
	}
	for _, s := range p.of[call] {
		s.slowDown(p.now(), after)
	}
}
