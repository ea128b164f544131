package memory_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/providertest"
)

// wrappingKeys are made once: they are the slow part of a target.
var wrappingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 3072)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

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

func (f *faults) Break(_ *testing.T, call string, fault providertest.Fault) providertest.Broken {
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

// opened is a target that can be broken and meddled with.
type opened struct {
	*memory.Provider
	clock     *clock
	faults    *faults
	mu        sync.Mutex
	importing memory.Importing
}

func (o *opened) becomes() memory.Importing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.importing
}

func open(caps func() broker.Capabilities) func(t *testing.T) providertest.Target {
	return func(t *testing.T) providertest.Target {
		t.Helper()
		o := &opened{clock: newClock(), faults: &faults{rules: map[string]*rule{}}}
		var err error
		o.Provider, err = memory.New(memory.Config{
			Account: "tests", Capabilities: caps(), WrappingKeys: wrappingKeys(), Now: o.clock.Now, Fault: o.faults.hook, Importing: o.becomes,
		})
		if err != nil {
			t.Fatal(err)
		}
		return providertest.Target{
			Provider: o.Provider, Account: "tests", Now: o.clock.Now, Advance: o.clock.Advance, Break: o.faults.Break,
			Missing: broker.KeyRef{ID: "memory:tests:key/missing"},
			Algorithms: map[broker.KeySpec]map[broker.Purpose][]string{
				broker.AES256: {broker.Encrypt: {"aes-256"}}, broker.ECP384: {broker.Sign: {"ec-p384"}},
			},
			Plant: o.plant, PlantWrappingKey: o.plantWrappingKey,
			Importing: func(_ *testing.T, i providertest.Importing) { o.become(i) },
		}
	}
}

func (o *opened) become(i providertest.Importing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.importing = memory.Importing{Takes: i.Takes}
	if i.Fails {
		o.importing.Fails = "it was asked to fail"
	}
}

func (o *opened) plant(t *testing.T, effect string, in broker.PrepareIn, origin broker.Origin) broker.KeyRef {
	t.Helper()
	plant := memory.Plant{Effect: effect, In: in, Origin: origin}
	if origin == broker.OriginProvider {
		plant.Material = make([]byte, in.Spec.Bits()/8)
	}
	ref, err := o.Plant(plant)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (o *opened) plantWrappingKey(_ *testing.T, m broker.Mechanism, how providertest.Planted) string {
	plant := memory.PlantedWrappingKey{Mechanism: m}
	switch how {
	case providertest.PlantedEnded:
		plant.Ends = o.clock.Now().Add(-time.Hour)
	case providertest.PlantedEarly:
		plant.Begins = o.clock.Now().Add(time.Hour)
	case providertest.PlantedDisabled:
		plant.Disabled = true
	case providertest.PlantedWider:
		plant.Operations = []string{"import", "decrypt"}
	case providertest.PlantedOther:
		plant.Operations = []string{"decrypt"}
	default: // as the provider makes them
	}
	return o.PlantWrappingKey(plant)
}

func lacks() map[providertest.Need]string {
	return map[providertest.Need]string{
		providertest.NeedForeign: "it is in this process: there is no other account to answer for",
		providertest.NeedSending: "it is in this process: nothing is sent",
		providertest.NeedHide:    "it is consistent",
	}
}

func TestLikeAWS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: open(memory.Default), Lacks: lacks()})
}

func TestLikeGoogle(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: open(memory.Numbered), Lacks: lacks()})
}

func TestLikeAzure(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Open: open(memory.Newest), Lacks: lacks()})
}

// TestPrepareFinds is a target that finds a key by its mark, with Ed25519.
func TestPrepareFinds(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Lacks: lacks(), Open: open(func() broker.Capabilities {
		c := memory.Default()
		c.PrepareFinds = true
		c.Specs[broker.Ed25519] = broker.SpecCapability{
			Mechanisms: []broker.Mechanism{broker.KWPSHA256}, Purposes: broker.Ed25519.Purposes(),
			Proof: map[broker.Purpose]broker.ProofLevel{broker.Sign: broker.ProofPublicKey}, ImportRepeats: true,
		}
		return c
	})})
}

func TestNoNativeExpiry(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Setup{Lacks: lacks(), Open: open(func() broker.Capabilities {
		c := memory.Default()
		c.ValidTo = broker.ValidToRule{}
		return c
	})})
}
