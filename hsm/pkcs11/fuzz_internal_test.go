package pkcs11

import (
	"bytes"
	"os"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// What is kept of a probe is believed only where it is whole and of this token.
func FuzzCache(f *testing.F) {
	info := broker.TokenInfo{Serial: "1", Model: "m", Firmware: "1.0", Library: "lib 1.0"}
	c := cacheOf(f.TempDir(), info)
	var plans []broker.Plan
	for _, spec := range broker.KeySpecs() {
		for _, m := range broker.Mechanisms() {
			plans = append(plans, broker.Plan{Spec: spec, Mechanism: m})
		}
	}
	var keep []broker.KeepPlan
	for _, spec := range broker.KeySpecs() {
		keep = append(keep, broker.KeepPlan{Spec: spec})
	}
	if err := c.write(&cached{Plans: plans, Keep: keep}); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(c.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"key":{},"plans":[{"conforming":true}]}`))
	f.Add([]byte("[]"))
	f.Add(bytes.Replace(text, []byte(`"guard": 0`), []byte(`"guard": 9`), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := cacheOf(t.TempDir(), info)
		if err := os.WriteFile(c.path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, why := c.read()
		if (got == nil) == (why == "") {
			t.Errorf("%v, %q", got, why)
		}
		if got != nil && (!complete(got.Plans) || !completeKeep(got.Keep) || got.How.Guard < 0 || got.How.Guard >= len(guards())) {
			t.Errorf("believed, and not complete: %v", got)
		}
	})
}
