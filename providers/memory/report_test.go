package memory_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/memory"
	"github.com/keyferry/keyferry/providers/memory/memorytest"
)

func target(t *testing.T, fault memory.Fault) (*memory.Provider, *memorytest.Clock) {
	t.Helper()
	c := memorytest.NewClock()
	p, err := memory.New(memory.Config{WrappingKeys: memorytest.WrappingKeys(), Now: c.Now, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func in(name string) broker.PrepareIn {
	return broker.PrepareIn{Name: name, KeyID: name, Number: 1, Spec: broker.AES256, Purpose: broker.Encrypt, Mode: broker.NewKey}
}

func effect() broker.Effect {
	return broker.Effect{Operation: "op", Target: "t", Step: broker.StepPrepare}
}

func TestReportCountsOrphansAndTwins(t *testing.T) {
	t.Parallel()
	p, _ := target(t, nil)
	secret := make([]byte, 32)
	for _, plant := range []memory.Plant{
		{In: in("orphan")},
		{In: in("twin"), Material: append([]byte{1}, secret[1:]...)},
		{In: in("twin"), Material: append([]byte{2}, secret[1:]...)},
		{In: in("copy-a"), Material: secret},
		{In: in("copy-b"), Material: secret},
		{In: in("alone"), Material: append([]byte{3}, secret[1:]...)},
	} {
		if _, err := p.Plant(plant); err != nil {
			t.Fatal(err)
		}
	}
	r := p.Report()
	if r.Keys != 6 || len(r.Orphans) != 1 || r.Orphans[0].Name != "orphan" {
		t.Errorf("keys %d, orphans %v", r.Keys, r.Orphans)
	}
	var twins []string
	for _, h := range r.Twins {
		twins = append(twins, h.Name)
	}
	slices.Sort(twins)
	if want := []string{"copy-a", "copy-b", "twin", "twin"}; !slices.Equal(twins, want) {
		t.Errorf("twins %v, want %v", twins, want)
	}
	sum := sha256.Sum256(secret)
	if held := r.Material[hex.EncodeToString(sum[:])]; len(held) != 2 {
		t.Errorf("the copied material is held %d times", len(held))
	}
	if held := r.Names["alone"]; len(held) != 1 || held[0].State != broker.RemoteEnabled {
		t.Errorf("alone is %v", held)
	}
}

// TestScheduledIsNoTwin: what somebody scheduled for deletion is accounted for.
func TestScheduledIsNoTwin(t *testing.T) {
	t.Parallel()
	p, c := target(t, nil)
	for range 2 {
		if _, err := p.Prepare(t.Context(), effect(), in("same")); err != nil {
			t.Fatal(err)
		}
	}
	first := p.Report().Orphans[0].Version
	if _, err := p.Do(t.Context(), effect(), first, broker.Action{Kind: broker.Schedule}); err != nil {
		t.Fatal(err)
	}
	if r := p.Report(); len(r.Twins) != 0 || len(r.Orphans) != 1 {
		t.Errorf("twins %v, orphans %v", r.Twins, r.Orphans)
	}
	c.Advance(31 * 24 * time.Hour)
	if r := p.Report(); r.Keys != 2 || r.Names["same"][0].State != broker.RemoteDestroyed {
		t.Errorf("after its window: %+v", r)
	}
}

// TestLateIsCommittedByTheClock: an answer is lost, and the change happens when
// the clock comes there, once.
func TestLateIsCommittedByTheClock(t *testing.T) {
	t.Parallel()
	lost := false
	p, c := target(t, func(call string, committed bool) error {
		if call != "prepare" || committed || lost {
			return nil
		}
		lost = true
		return memory.Late{After: time.Minute}
	})
	if _, err := p.Prepare(t.Context(), effect(), in("late")); !errors.Is(err, broker.Unclear) {
		t.Fatalf("answer %v", err)
	}
	if r := p.Report(); r.Keys != 0 {
		t.Fatalf("%d keys at once", r.Keys)
	}
	c.Advance(time.Minute)
	if r := p.Report(); r.Keys != 1 || len(r.Orphans) != 1 {
		t.Fatalf("%d keys after a minute", r.Keys)
	}
	c.Advance(time.Hour)
	if r := p.Report(); r.Keys != 1 {
		t.Fatalf("%d keys after an hour", r.Keys)
	}
}

// TestFaultHoldsWithoutLocking: a held call does not stop others.
func TestFaultHoldsWithoutLocking(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}), make(chan struct{})
	p, _ := target(t, func(call string, committed bool) error {
		if call == "prepare" && committed {
			close(held)
			<-release
		}
		return nil
	})
	answer := make(chan error)
	go func() {
		_, err := p.Prepare(context.WithoutCancel(t.Context()), effect(), in("held"))
		answer <- err
	}()
	<-held
	seen := 0
	for _, err := range p.Look(t.Context(), broker.Query{Effect: effect().ID()}) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
	}
	close(release)
	if err := <-answer; err != nil || seen != 1 {
		t.Fatalf("seen %d while held, answer %v", seen, err)
	}
}

func TestReplacedMaterialIsOtherMaterial(t *testing.T) {
	t.Parallel()
	p, _ := target(t, nil)
	ref, err := p.Plant(memory.Plant{In: in("key"), Material: make([]byte, 32), Consumer: "alias/key"})
	if err != nil {
		t.Fatal(err)
	}
	before := p.Report().Names["key"][0].SHA256
	if err := p.Replace(ref, append([]byte{1}, make([]byte, 31)...)); err != nil {
		t.Fatal(err)
	}
	if after := p.Report().Names["key"][0].SHA256; after == before || after == "" {
		t.Errorf("material %s, then %s", before, after)
	}
	if err := p.Replace(broker.KeyRef{ID: "none"}, nil); !errors.Is(err, broker.NotFound) {
		t.Errorf("replace what is not there: %v", err)
	}
	for o, err := range p.Look(t.Context(), broker.Query{Consumer: "alias/key"}) {
		if err != nil || o.Version.Key != ref {
			t.Errorf("the name leads to %v, %v", o.Version.Key, err)
		}
	}
}

func TestNewNeedsKeysAndClock(t *testing.T) {
	t.Parallel()
	for _, c := range []memory.Config{{}, {Now: memorytest.NewClock().Now}, {WrappingKeys: memorytest.WrappingKeys()}} {
		if _, err := memory.New(c); !errors.Is(err, broker.Misuse) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
