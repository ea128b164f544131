// Package providertest holds the promises of broker.Provider. Every adapter runs
// them: against an emulator, against somebody else's, and the reference in memory.
//
// Each promise is a check with a name. What a target is known not to keep is listed
// with its reason as a deviation; a listed check that passes fails the run, so that
// no list goes stale. A target that cannot be broken or moved in time says so in
// Lacks; nothing is left out in silence.
//
// Material is made and wrapped here with Go's own crypto, apart from the product.
package providertest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Setup is a kind of target.
type Setup struct {
	// Open makes a target for one check, and cleans up by t.
	Open func(t *testing.T) Target
	// Deviations are checks, by name, that are known to fail, with the reason.
	Deviations map[string]string
	// Lacks says of each need that the target does not meet, why not.
	Lacks map[Need]string
	// Serial runs one check at a time.
	Serial bool
}

// Target is one target under test.
type Target struct {
	Provider broker.Provider
	Account  string
	Now      func() time.Time
	Missing  broker.KeyRef // well formed, and not there
	Foreign  broker.KeyRef // well formed, of another account

	// Soon is how long what has happened may take to show; 0 is 15 seconds.
	Soon time.Duration

	Advance func(d time.Duration) // lets time pass for target and adapter alike
	Break   func(t *testing.T, call string, f Fault) Broken
	// Plant makes a key by other means than the adapter, with the effect's mark:
	// with the customer's default key policy, and material of the provider's where
	// origin is the provider's.
	Plant func(t *testing.T, effect string, in broker.PrepareIn, origin broker.Origin) broker.KeyRef
	// Hide lets what is made from now on be invisible to the next reads.
	Hide func(t *testing.T, reads int)
}

// Need is what a check must have of its target.
type Need string

// The needs.
const (
	NeedClock    Need = "clock"    // Target.Advance
	NeedFaults   Need = "faults"   // Target.Break
	NeedPlant    Need = "plant"    // Target.Plant
	NeedHide     Need = "hide"     // Target.Hide
	NeedForeign  Need = "foreign"  // Target.Foreign, and Break with Foreign
	NeedIdentity Need = "identity" // the adapter is a broker.Identifier
	NeedSending  Need = "sending"  // calls cross a network: answers can be slow, cut short, and their caller go away
)

// FaultKind is what happens to a call.
type FaultKind string

// The kinds of fault.
const (
	LostBefore FaultKind = "lost-before" // the request never arrives
	LostAfter  FaultKind = "lost-after"  // it is done, the answer never arrives
	Late       FaultKind = "late"        // the answer never arrives, it is done After later
	FailBefore FaultKind = "fail-before" // the provider fails, and has not done it
	FailAfter  FaultKind = "fail-after"  // the provider fails, and has done it
	Throttle   FaultKind = "throttle"    // too often; RetryAfter says when again, 0 does not
	Deny       FaultKind = "deny"        // not permitted
	Truncate   FaultKind = "truncate"    // done, the answer is cut short
	Slow       FaultKind = "slow"        // done, the answer dribbles
	HoldBefore FaultKind = "hold-before" // waits until released
	HoldAfter  FaultKind = "hold-after"  //
	Foreign    FaultKind = "foreign"     // done, the answer is about another account
)

// Fault breaks a call: one of prepare, wrapping-key, import, prove, look, identify,
// and of Do the action's kind.
type Fault struct {
	Kind       FaultKind
	After      time.Duration // of Late, by the target's clock
	RetryAfter time.Duration
	Always     bool // every such call, not just the next
}

// Broken is a fault in force.
type Broken struct {
	Reached func(ctx context.Context) error // waits until a call is held
	Release func()                          // what is held goes on; the fault ends
}

// check is one promise.
type check struct {
	name  string
	needs []Need
	run   func(ctx context.Context, h *harness) error
}

// patience bounds one check: nothing waits for real time to pass.
const patience = 2 * time.Minute

// Run holds a kind of target against every promise.
func Run(t *testing.T, s Setup) {
	t.Helper()
	all := everyCheck()
	for name := range s.Deviations {
		if !slices.ContainsFunc(all, func(c check) bool { return c.name == name }) {
			t.Errorf("deviation %q names no check", name)
		}
	}
	pairs := &shared{made: map[broker.KeySpec]material{}}
	for _, c := range all {
		if slices.ContainsFunc(c.needs, func(n Need) bool { return s.Lacks[n] != "" }) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if !s.Serial {
				t.Parallel()
			}
			s.judge(t, c, pairs)
		})
	}
}

func everyCheck() []check {
	return slices.Concat(
		capabilityChecks(), importChecks(), refusalChecks(), actionChecks(), proofChecks(), lookChecks(), timeChecks(), faultChecks(),
	)
}

func (s Setup) judge(t *testing.T, c check, pairs *shared) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h := &harness{t: t, Target: s.Open(t), shared: pairs, lacks: s.Lacks}
	err := h.meets(c.needs)
	if err == nil {
		err = c.run(ctx, h)
	}
	if fault := s.verdict(c.name, err); fault != nil {
		t.Error(fault)
	} else if reason := s.Deviations[c.name]; reason != "" {
		t.Logf("deviates, as listed (%s): %v", reason, err)
	}
}

// verdict turns a check's outcome into the run's: a deviation must be listed, and
// what is listed must deviate.
func (s Setup) verdict(name string, err error) error {
	reason, listed := s.Deviations[name]
	if listed && err == nil {
		return fmt.Errorf("it is listed as a deviation (%s), and passes: take it off the list", reason)
	}
	if listed {
		return nil
	}
	return err
}

// meets says which need is neither met nor among what the target lacks.
func (h *harness) meets(needs []Need) error {
	for _, n := range needs {
		met := true
		switch n {
		case NeedClock:
			met = h.Advance != nil
		case NeedFaults, NeedSending:
			met = h.Break != nil
		case NeedPlant:
			met = h.Plant != nil
		case NeedHide:
			met = h.Hide != nil
		case NeedForeign:
			met = h.Foreign.ID != ""
		case NeedIdentity:
			_, met = h.Provider.(broker.Identifier)
		}
		if !met {
			return fmt.Errorf("the target has no %s, and does not say why", n)
		}
	}
	return nil
}
