package gcpkms_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/providertest"
)

// TestWhatAnImportCalls is what is said of it, for every kind of key.
func TestWhatAnImportCalls(t *testing.T) {
	t.Parallel()
	e := emulate(t, nil)
	target := broker.Target{
		Name: "gcp", Provider: e.provider, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: e.target().Account},
		WrappingKey: broker.WrappingKeyPolicy{MinBits: 3072}, Place: place,
	}
	providertest.Effort(t, target, []broker.KeySpec{broker.AES256, broker.HMAC256, broker.RSA2048, broker.ECP256}, func() map[string]int {
		return countedBy(t, e.admin)
	})
}

func countedBy(t *testing.T, admin faults.Client) map[string]int {
	t.Helper()
	calls, err := admin.Calls(t.Context(), faults.CallQuery{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, c := range calls {
		out[c.Action]++
	}
	return out
}
