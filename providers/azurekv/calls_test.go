package azurekv_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/providertest"
)

// TestWhatAnImportCalls is what is said of it, for every kind of key and vault.
func TestWhatAnImportCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*emulated, *azurekv.Config)
		specs  []broker.KeySpec
	}{
		"vault":       {func(*emulated, *azurekv.Config) {}, []broker.KeySpec{broker.RSA2048, broker.ECP256}},
		"software":    {func(_ *emulated, c *azurekv.Config) { c.Protection = azurekv.Software }, []broker.KeySpec{broker.ECP256}},
		"managed HSM": {managed, []broker.KeySpec{broker.AES256, broker.RSA2048, broker.ECP256}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := emulate(t, c.change)
			target := broker.Target{
				Name: "azure", Provider: e.provider, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: e.config.Tenant},
				WrappingKey: broker.WrappingKeyPolicy{MinBits: 2048},
			}
			providertest.Effort(t, target, c.specs, func() map[string]int { return countedBy(t, e.admin) })
		})
	}
}

func countedBy(t *testing.T, admin faults.Client) map[string]int {
	t.Helper()
	calls, err := admin.Calls(t.Context(), faults.CallQuery{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, c := range calls {
		if c.Action != "Token" && c.Action != "Discover" && c.Action != "Challenge" { // those are Entra's, and what it takes to find it
			out[c.Action]++
		}
	}
	return out
}
