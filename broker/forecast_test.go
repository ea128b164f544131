package broker_test

import (
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// TestForecast adds up what targets of one account and place take of its quotas, has
// others run beside them, and leaves out what is done.
func TestForecast(t *testing.T) {
	t.Parallel()
	caps := providers.Default()
	caps.Quotas = []broker.Quota{{Name: "Fetch", Calls: []string{"Fetch"}, PerSecond: 2, Burst: 2}}
	spec := caps.Specs[broker.AES256]
	spec.Calls = map[broker.Purpose]map[string]int{broker.Encrypt: {"Fetch": 2}}
	caps.Specs[broker.AES256] = spec
	w := newWorld(t, caps)
	for name, place := range map[string]string{"one": "here", "two": "here", "far": "there"} {
		w.others = append(w.others, broker.Target{Name: name, Provider: targetCalled(w, name, caps), Environment: "test", QuotaPlace: place})
	}
	plan := func(done bool, targets ...string) broker.Intended {
		p := broker.Intended{Spec: broker.AES256, Purpose: broker.Encrypt, Done: done}
		for _, name := range targets {
			p.Targets = append(p.Targets, broker.IntendedTarget{Target: name, Proof: broker.ProofReimport})
		}
		return p
	}
	plans := []broker.Intended{plan(true, "one", "far")}
	for range 10 {
		plans = append(plans, plan(false, "one", "two", "far"))
	}
	f, err := w.run(nil).Forecast(t.Context(), plans)
	if err != nil {
		t.Fatal(err)
	}
	if f.Seconds != 20 || f.Leaves == "" || len(f.Targets) != 3 {
		t.Fatalf("it is %+v", f)
	}
	for _, at := range f.Targets {
		shares := map[string][]string{"one": {"two"}, "two": {"one"}, "far": {}}[at.Target]
		if at.Keys != 10 || at.Seconds != 10 || !slices.Equal(at.SharedWith, shares) {
			t.Errorf("%s: %+v", at.Target, at)
		}
	}
	if none, err := w.run(nil).Forecast(t.Context(), plans[:1]); err != nil || none.Seconds != 0 || len(none.Targets) != 0 {
		t.Errorf("of what is done: %+v, %v", none, err)
	}
}
