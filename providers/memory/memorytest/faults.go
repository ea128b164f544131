package memorytest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/providertest"
)

// faults breaks calls through the target's hook.
type faults struct {
	mu    sync.Mutex
	rules map[string]*rule
}

type rule struct {
	providertest.Fault
	reached, released chan struct{}
	making, done      bool
}

func (f *faults) hook(call string, committed bool) error {
	f.mu.Lock()
	r := f.rules[call]
	if r == nil || r.done || committed != after(r.Kind) {
		f.mu.Unlock()
		return nil
	}
	r.done = !r.Always
	f.mu.Unlock()
	switch r.Kind {
	case providertest.HoldBefore, providertest.HoldAfter:
		close(r.reached)
		<-r.released
		return nil
	case providertest.Late:
		return memory.Late{After: r.After}
	case providertest.Throttle:
		return &broker.Error{Kind: broker.Throttled, RetryAfter: r.RetryAfter}
	case providertest.Deny:
		return &broker.Error{Kind: broker.Denied, Permission: "memory:Look"}
	default: // the answer is lost
	}
	if isRead(call) && !r.making {
		return broker.Unavailable
	}
	return broker.Unclear
}

func isRead(call string) bool {
	return call == "wrapping-key" || call == "prove" || call == "look" || call == "identify"
}

func after(k providertest.FaultKind) bool {
	return k == providertest.LostAfter || k == providertest.FailAfter || k == providertest.HoldAfter
}

func (f *faults) breaks(_ *testing.T, call string, fault providertest.Fault) providertest.Broken {
	call, making := strings.CutPrefix(call, "make-")
	r := &rule{Fault: fault, making: making, reached: make(chan struct{}), released: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[call] = r
	release := sync.OnceFunc(func() {
		close(r.released)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.rules, call)
	})
	return providertest.Broken{Release: release, Reached: func(ctx context.Context) error {
		select {
		case <-r.reached:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}
