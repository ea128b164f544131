// Package providertest holds the promises of broker.Provider. Every adapter runs
// them: against an emulator, against somebody else's, and the reference in memory.
//
// Each promise is a check with a name; those that a provider's capabilities rule out
// are none of its. What a target is known not to keep is listed
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

// check is one promise.
type check struct {
	name string
	// when it is one; nil always. A check that the capabilities rule out is not run.
	when  func(broker.Capabilities) bool
	needs []Need
	run   func(ctx context.Context, h *harness) error
}

// patience bounds one check: nothing waits for real time to pass.
const patience = 2 * time.Minute

// Run holds a kind of target against every promise that its capabilities make.
func Run(t *testing.T, s Setup) {
	t.Helper()
	all, caps := everyCheck(), s.Open(t).Provider.Capabilities()
	all = slices.DeleteFunc(all, func(c check) bool { return c.when != nil && !c.when(caps) })
	for name := range s.Deviations {
		if !slices.ContainsFunc(all, func(c check) bool { return c.name == name }) {
			t.Errorf("deviation %q names no check of such a target", name)
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
		capabilityChecks(), prepareChecks(), importChecks(), versionChecks(), againChecks(), keptChecks(), refusalChecks(),
		actionChecks(), nameChecks(), primaryChecks(), withheldChecks(), deletionChecks(), proofChecks(), lookChecks(),
		timeChecks(), faultChecks(), readFaultChecks(),
	)
}

func (s Setup) judge(t *testing.T, c check, pairs *shared) {
	t.Helper()
	err := s.outcome(t, c, pairs)
	if fault := s.verdict(c.name, err); fault != nil {
		t.Error(fault)
	} else if reason := s.Deviations[c.name]; reason != "" {
		t.Logf("deviates, as listed (%s): %v", reason, err)
	}
}

// outcome is what a target of its own makes of a check.
func (s Setup) outcome(t *testing.T, c check, pairs *shared) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h := &harness{t: t, Target: s.Open(t), shared: pairs, lacks: s.Lacks, kept: map[broker.Mechanism]string{}}
	if err := h.meets(c.needs); err != nil {
		return err
	}
	return c.run(ctx, h)
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
		case NeedPlantKey:
			met = h.PlantWrappingKey != nil
		case NeedImporting:
			met = h.Importing != nil
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
