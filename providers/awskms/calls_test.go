package awskms_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/providertest"
)

// TestWhatAnImportCalls is what is said of it, for every kind of key.
func TestWhatAnImportCalls(t *testing.T) {
	t.Parallel()
	e := emulate(t, func(_ *emulated, c *awskms.Config) { c.WrappingKeyBits = 3072 })
	target := broker.Target{
		Name: "aws", Provider: e.provider, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: account},
		WrappingKey: broker.WrappingKeyPolicy{MinBits: 3072}, Place: region,
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
		if c.Service == "kms" { // who we are, STS says
			out[c.Action]++
		}
	}
	return out
}
