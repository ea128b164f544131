// Package memory is a token for tests: it keeps the promises of broker.Token with
// real keys of the Go standard library, in memory and in nothing else. It guards
// nothing: its material lives in the process that uses it.
//
// It behaves; what a test wants to go wrong it says in [Options]. Two brokers that
// share one Token see one token, as two runs of the program do.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/keyferry/keyferry/broker"
)

// Options say who the token is and what is wrong with it. The zero value is a
// token that can do everything.
type Options struct {
	Label  string // "memory" where empty
	Serial string // "0001" where empty
	// Mechanisms the token can perform; nil means all. One that is not named does
	// not work, and its plans say so.
	Mechanisms []broker.Mechanism
	// Unsupported are key specs that the token cannot make.
	Unsupported []broker.KeySpec
	// Nonconforming are specs of key pairs whose wrapped form is padded with zeros
	// to a multiple of eight bytes, as some real tokens do.
	Nonconforming []broker.KeySpec
	// Unkeepable are key specs that the token does not wrap under a keeper key.
	Unkeepable []broker.KeySpec
	// Unguarded makes keeper keys that open to material which can be read.
	Unguarded bool
	// OneStep makes it one that wraps hybrid by one call, and not by two.
	OneStep bool
	// NoTrust lets its user mark wrapping keys as trusted himself.
	NoTrust bool
	// NoDataObjects makes the token one without a place for anchors.
	NoDataObjects bool
	// Fault is asked twice by every method, by its name: before anything was done,
	// and after all was. An error is what the method returns; the second one is
	// returned although everything is done.
	Fault func(call string, before bool) error
}

// Token is a broker.Token, Sealer, Anchorer, HealthChecker, Adopter, Keeper, Truster
// and Officer: whoever holds it is user and security officer in one. It is safe for
// concurrent use.
type Token struct {
	options Options

	mu      sync.Mutex
	objects []object
	anchors map[string][]byte
	marked  map[string]bool // fingerprints of trusted wrapping keys
}

var (
	_ broker.Token         = (*Token)(nil)
	_ broker.Sealer        = (*Token)(nil)
	_ broker.Anchorer      = (*Token)(nil)
	_ broker.HealthChecker = (*Token)(nil)
	_ broker.Adopter       = (*Token)(nil)
	_ broker.Keeper        = (*Token)(nil)
	_ broker.Truster       = (*Token)(nil)
	_ broker.Officer       = (*Token)(nil)
)

// New makes an empty token.
func New(o Options) *Token {
	if o.Label == "" {
		o.Label = "memory"
	}
	if o.Serial == "" {
		o.Serial = "0001"
	}
	return &Token{options: o, anchors: map[string][]byte{}, marked: map[string]bool{}}
}

// Info describes the token.
func (t *Token) Info(ctx context.Context) (broker.TokenInfo, error) {
	info := broker.TokenInfo{
		Label: t.options.Label, Serial: t.options.Serial,
		Manufacturer: "keyferry", Model: "memory", Firmware: "1.0", Library: "memory 1.0",
	}
	err := t.call(ctx, "Info", func() error {
		info.Environment = t.environment()
		return nil
	})
	return info, err
}

// Health makes and destroys an object.
func (t *Token) Health(ctx context.Context) error {
	return t.call(ctx, "Health", func() error {
		t.objects = append(t.objects, object{id: "kf-health", class: classData})
		t.objects = t.objects[:len(t.objects)-1]
		return nil
	})
}

// Plans of every key spec and mechanism that fit each other.
func (t *Token) Plans(ctx context.Context) ([]broker.Plan, error) {
	var plans []broker.Plan
	err := t.call(ctx, "Plans", func() error {
		for _, spec := range broker.KeySpecs() {
			for _, m := range broker.Mechanisms() {
				plans = append(plans, t.plan(spec, m))
			}
		}
		return nil
	})
	return plans, err
}

func (t *Token) plan(spec broker.KeySpec, m broker.Mechanism) broker.Plan {
	p := t.performs(spec, m)
	switch {
	case !p.Works:
	case p.Way == broker.TwoStep:
		p.Distrust = "its second key is made by the user, and trusted by nobody"
	case t.options.NoTrust:
		p.Distrust = "the token lets its user mark keys as trusted himself"
	default:
		p.Trusts = true
	}
	return p
}

func (t *Token) performs(spec broker.KeySpec, m broker.Mechanism) broker.Plan {
	p := broker.Plan{Spec: spec, Mechanism: m, Way: broker.TwoStep, AESNumber: 0x210B, Works: true, Conforming: true}
	switch {
	case m.Direct():
		p.Way, p.AESNumber = broker.Direct, 0
	case t.options.OneStep:
		p.Way, p.AESNumber = broker.OneStep, 0
	}
	switch {
	case slices.Contains(t.options.Unsupported, spec):
		p.Works, p.Reason = false, "the token cannot make such a key"
	case m.Direct() && !spec.Secret():
		p.Works, p.Reason = false, "a private key is too long for OAEP"
	case len(t.options.Mechanisms) > 0 && !slices.Contains(t.options.Mechanisms, m):
		p.Works, p.Reason = false, "the token does not have the mechanism"
	case !spec.Secret() && slices.Contains(t.options.Nonconforming, spec):
		p.Conforming, p.Reason = false, "zero bytes follow the material"
		return p
	}
	p.Conforming = p.Works
	return p
}

// call is the frame of every method: a fault before, the deed under the lock, a
// fault after.
func (t *Token) call(ctx context.Context, name string, deed func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s in token %s: %w", name, t.options.Label, err)
	}
	if err := t.fault(name, true); err != nil {
		return err
	}
	if err := t.locked(deed); err != nil {
		return err
	}
	return t.fault(name, false)
}

func (t *Token) locked(deed func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return deed()
}

func (t *Token) fault(call string, before bool) error {
	if t.options.Fault == nil {
		return nil
	}
	return t.options.Fault(call, before)
}
