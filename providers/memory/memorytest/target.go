// Package memorytest makes targets in memory that can be broken, meddled with and
// moved in time, for the promises of providers and for what holds the promises
// themselves.
package memorytest

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/providertest"
)

// WrappingKeys are made once: they are the slow part of a target.
func WrappingKeys() []*rsa.PrivateKey { return wrappingKeys() }

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

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock stands at noon of a day in 2026.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

// Now is where it stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Account is that of every target.
const Account = "tests"

// opened is a target that can be broken and meddled with.
type opened struct {
	*memory.Provider
	clock     *Clock
	faults    *faults
	mu        sync.Mutex
	importing memory.Importing
}

func (o *opened) becomes() memory.Importing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.importing
}

// Open makes a target for one check, with these capabilities.
func Open(caps func() broker.Capabilities) func(t *testing.T) providertest.Target {
	return func(t *testing.T) providertest.Target {
		t.Helper()
		o := &opened{clock: NewClock(), faults: &faults{rules: map[string]*rule{}}}
		var err error
		o.Provider, err = memory.New(memory.Config{
			Account: Account, Capabilities: caps(), WrappingKeys: WrappingKeys(), Now: o.clock.Now, Fault: o.faults.hook, Importing: o.becomes,
		})
		if err != nil {
			t.Fatal(err)
		}
		return providertest.Target{
			Provider: o.Provider, Account: Account, Now: o.clock.Now, Advance: o.clock.Advance, Break: o.faults.breaks,
			Missing: broker.KeyRef{ID: "memory:" + Account + ":key/missing"},
			Plant:   o.plant, PlantWrappingKey: o.plantWrappingKey,
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

// Lacks is what no target in memory can show.
func Lacks() map[providertest.Need]string {
	return map[providertest.Need]string{
		providertest.NeedForeign: "it is in this process: there is no other account to answer for",
		providertest.NeedSending: "it is in this process: nothing is sent",
		providertest.NeedHide:    "it is consistent",
	}
}
