package providertest

import (
	"context"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Target is one target under test.
type Target struct {
	Provider broker.Provider
	Account  string
	Now      func() time.Time
	Missing  broker.KeyRef // well formed, and not there
	Foreign  broker.KeyRef // well formed, of another account

	// Soon is how long what has happened may take to show; 0 is 15 seconds.
	Soon time.Duration
	// ForeignWrappingKey is a ref of a wrapping key, well formed and of another account,
	// where wrapping keys are kept.
	ForeignWrappingKey string

	Advance func(d time.Duration) // lets time pass for target and adapter alike
	// Break lets the next call be a fault; those of Foreign are about another account.
	Break func(t *testing.T, call string, f Fault) Broken
	// Plant makes a key by other means than the adapter, with the effect's mark: with
	// the customer's default key policy, and material of the provider's where origin is
	// the provider's. Where keys have names of ours it has PrepareIn.RemoteName, and
	// where there is one of that name already it gets a further version.
	Plant func(t *testing.T, effect string, in broker.PrepareIn, origin broker.Origin) broker.KeyRef
	// PlantWrappingKey makes a wrapping key of the mechanism by other means than the
	// adapter, where they are kept, and answers its ref.
	PlantWrappingKey func(t *testing.T, m broker.Mechanism, how Planted) string
	// Importing says what imports come to from now on, where they are accepted first.
	Importing func(t *testing.T, i Importing)
	// Hide lets what is made from now on be invisible to the next reads.
	Hide func(t *testing.T, reads int)
}

// Planted is how a wrapping key of somebody else's is.
type Planted string

// The ways to plant a wrapping key.
const (
	PlantedRight    Planted = "right"          // just as the adapter makes them
	PlantedEnded    Planted = "ended"          // its time is over
	PlantedEarly    Planted = "early"          // its time is to come
	PlantedDisabled Planted = "disabled"       //
	PlantedWider    Planted = "more than that" // it may do more than import
	PlantedOther    Planted = "something else" // it may do something else than import
)

// Importing is what an import that was accepted comes to.
type Importing struct {
	Takes time.Duration // by the target's clock
	Fails bool          // it ends as failed, for a reason of the target's
}

// Need is what a check must have of its target.
type Need string

// The needs. A check that the capabilities rule out has none.
const (
	NeedClock     Need = "clock"     // Target.Advance
	NeedFaults    Need = "faults"    // Target.Break
	NeedPlant     Need = "plant"     // Target.Plant
	NeedPlantKey  Need = "plant-key" // Target.PlantWrappingKey
	NeedImporting Need = "importing" // Target.Importing
	NeedHide      Need = "hide"      // Target.Hide
	NeedForeign   Need = "foreign"   // Target.Foreign, and Break with Foreign
	NeedIdentity  Need = "identity"  // the adapter is a broker.Identifier
	NeedSending   Need = "sending"   // calls cross a network: answers can be slow, cut short, and their caller go away
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

// Fault breaks a call: one of prepare, wrapping-key, make-wrapping-key (where they are
// kept: the making; the other is then the fetching), import, prove, look, identify, and
// of Do the action's kind.
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
