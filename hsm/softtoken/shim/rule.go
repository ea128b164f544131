package shim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Rule says which calls are changed, and how. The zero value of a field means: any call, every time, nothing changed.
type Rule struct {
	Function    string // C_WrapKey
	Mechanism   uint   // CKM_…; 0 any, CKM_RSA_PKCS_KEY_PAIR_GEN, which is 0, included
	TokenObject bool   // only calls that make an object that stays
	PID         int    // only calls of this process
	Sizing      bool   // calls that only ask for a length, which are otherwise left alone and not counted
	Nth         int    // only the nth call that fits, counted from 1 when the rule was added

	When   When          // before or after the real module does it
	Result uint          // CKR_… that is answered: Before, instead of doing it; After, although it is done. 0: what the module says
	Delay  time.Duration // how long the call takes longer
	Hold   bool          // the call waits for Release, or for the death of its process
}

// When a rule takes effect.
type When int

// Before: the token has not done anything yet. After: it has, and the caller does not know yet.
const (
	Before When = iota
	After
)

func (r Rule) fits(c *Call) bool {
	return (r.Function == "" || r.Function == c.Function) &&
		(r.Mechanism == 0 || r.Mechanism == c.Mechanism) &&
		(r.PID == 0 || r.PID == c.PID) &&
		(!r.TokenObject || c.TokenObject) &&
		r.Sizing == c.Sizing
}

// Point is a rule in force.
type Point struct {
	rule     Rule
	shim     *Shim
	reached  chan struct{} // closed at the first call that it changed, which is first
	released chan struct{}
	first    Call
	met      int // calls that fit
	hits     int // calls that it changed
	gone     bool
}

// Wait returns the first call that the rule changed, as soon as it is at the point: one that is to be held is held then.
func (p *Point) Wait(ctx context.Context) (Call, error) {
	select {
	case <-p.reached:
		return p.first, nil
	case <-ctx.Done():
		return Call{}, fmt.Errorf("wait for a call of %q: %w", p.rule.Function, context.Cause(ctx))
	}
}

// Hits tells how many calls the rule changed.
func (p *Point) Hits() int {
	p.shim.mu.Lock()
	defer p.shim.mu.Unlock()
	return p.hits
}

// Release lets held calls go on, and holds no more. The rest of the rule stays in force.
func (p *Point) Release() {
	p.shim.mu.Lock()
	defer p.shim.mu.Unlock()
	p.release()
}

// Remove ends the rule and lets held calls go on.
func (p *Point) Remove() {
	p.shim.mu.Lock()
	defer p.shim.mu.Unlock()
	p.gone = true
	p.release()
}

func (p *Point) release() {
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

// meets counts c if the rule fits it, and tells whether the rule wants to change it. The shim is locked.
func (p *Point) meets(c *Call) bool {
	if p.gone || !p.rule.fits(c) {
		return false
	}
	p.met++
	return p.rule.Nth == 0 || p.rule.Nth == p.met
}

// answers tells whether the rule gives a result of its own at that moment. No point, no answer.
func (p *Point) answers(when When) bool {
	return p != nil && p.rule.When == when && p.rule.Result != 0
}

// stay keeps c for as long as the rule wants at that moment, and less when the shim ends. False: the caller's process died.
func (p *Point) stay(ctx context.Context, when When, c Call) bool {
	if p == nil || p.rule.When != when {
		return true
	}
	p.reach(c)
	timer := time.NewTimer(p.rule.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if p.rule.Hold {
		select {
		case <-p.released:
		case <-ctx.Done():
		}
	}
	return !errors.Is(context.Cause(ctx), errDied)
}

func (p *Point) reach(c Call) {
	p.shim.mu.Lock()
	defer p.shim.mu.Unlock()
	select {
	case <-p.reached:
	default:
		p.first = c
		close(p.reached)
	}
}
