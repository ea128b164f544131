package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Fault is asked twice in every call: before it takes effect, and after. An error
// it returns is the call's answer, so returning broker.Unclear before means a
// request that never arrived, and after an answer that was lost. It may block; the
// target is not locked meanwhile. Late, returned before, lets a change happen later.
//
// The calls are prepare, wrapping-key, import, prove, look, identify, and for Do
// the action's kind.
type Fault func(call string, committed bool) error

// Late is an answer that was lost while the change still happens, After from now
// by the target's clock.
type Late struct { //nolint:errname // it reads as what a Fault answers: memory.Late
	After time.Duration
}

// Error makes it the answer of a Fault.
func (l Late) Error() string { return fmt.Sprintf("the change happens %s from now", l.After) }

// pending is a change that was accepted and happens at its time.
type pending struct {
	at     time.Time
	commit func() error
}

// change performs a changing call.
func (p *Provider) change(ctx context.Context, call, object string, commit func() error) error {
	if err := p.before(ctx, call); err != nil {
		if late, ok := asLate(err); ok {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.late = append(p.late, pending{p.c.Now().Add(late.After), commit})
			err = fmt.Errorf("the answer was lost: %w", broker.Unclear)
		}
		return failed(call, object, err)
	}
	if err := p.locked(commit); err != nil {
		return failed(call, object, err)
	}
	if err := p.fault(call, true); err != nil {
		return failed(call, object, err)
	}
	if ctx.Err() != nil {
		return failed(call, object, fmt.Errorf("%w: %w", broker.Unclear, context.Cause(ctx)))
	}
	return nil
}

// read performs a call that changes nothing.
func (p *Provider) read(ctx context.Context, call, object string, f func() error) error {
	err := p.before(ctx, call)
	if err == nil {
		err = p.locked(f)
	}
	if err == nil {
		err = p.fault(call, true)
	}
	return failed(call, object, err)
}

// local is what a call answers without asking anybody.
func (p *Provider) local(ctx context.Context, call, object string, f func() error) error {
	if ctx.Err() != nil {
		return failed(call, object, fmt.Errorf("%w: %w", broker.Unavailable, context.Cause(ctx)))
	}
	return failed(call, object, p.locked(f))
}

// before is everything that can stop a call while nothing has happened.
func (p *Provider) before(ctx context.Context, call string) error {
	if ctx.Err() == nil {
		if err := p.fault(call, false); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", broker.Unavailable, context.Cause(ctx))
	}
	return nil
}

func (p *Provider) fault(call string, committed bool) error {
	if p.c.Fault == nil {
		return nil
	}
	return p.c.Fault(call, committed)
}

func asLate(err error) (Late, bool) {
	late, ok := err.(Late) //nolint:errorlint // a Fault returns it bare: wrapped, it is an answer
	return late, ok
}

// locked runs f on the target as time has made it.
func (p *Provider) locked(f func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	waiting := p.late
	p.late = nil
	for _, change := range waiting {
		if change.at.After(now) {
			p.late = append(p.late, change)
			continue
		}
		_ = change.commit() // nobody waits for this answer
	}
	for _, k := range p.keys {
		k.tick(now)
		if k.destroyed {
			p.forget(k.ref.ID)
		}
	}
	return f()
}

// forget removes the names of a destroyed key.
func (p *Provider) forget(id string) {
	for name, holder := range p.consumers {
		if holder == id {
			delete(p.consumers, name)
		}
	}
}
