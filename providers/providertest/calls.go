package providertest

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	hsm "github.com/keyferry/keyferry/hsm/memory"
)

// Effort holds what an adapter says that an import calls (SpecCapability.Calls, and
// Once and Shared of Capabilities) against what the service at the other end counted:
// for each of the specs and each purpose, of a key that is imported, proven and given
// to consumers by the broker, with nothing else there. counted is by name of call,
// since the service was started.
func Effort(t *testing.T, target broker.Target, specs []broker.KeySpec, counted func() map[string]int) {
	t.Helper()
	caps := target.Provider.Capabilities()
	b, shared := brokerAt(t, target), map[broker.Mechanism]bool{}
	once := caps.Once
	for _, spec := range specs {
		for _, purpose := range caps.Specs[spec].Purposes {
			before := counted()
			done, err := b.Import(t.Context(), broker.ImportRequest{
				Name: "calls-" + string(spec) + "-" + string(purpose), Spec: spec, Purpose: purpose, Targets: []string{target.Name}, Policy: anywhere, Retain: broker.RetainToken,
			})
			if err != nil {
				t.Fatalf("%s for %s: %v", spec, purpose, err)
			}
			want := broker.AddCalls(caps.Specs[spec].Calls[purpose], once)
			if m := done.Key.Placements[0].Transport.Mechanism; !shared[m] {
				want, shared[m] = broker.AddCalls(want, caps.Shared), true
			}
			if got := less(counted(), before); !maps.Equal(got, want) {
				t.Errorf("%s for %s called %v, and %v is said", spec, purpose, got, want)
			}
			once = nil
		}
	}
	hasQuotas(t, caps, counted())
}

func less(all, before map[string]int) map[string]int {
	out := map[string]int{}
	for name, n := range all {
		if n > before[name] {
			out[name] = n - before[name]
		}
	}
	return out
}

// hasQuotas: whatever was called has one.
func hasQuotas(t *testing.T, caps broker.Capabilities, counted map[string]int) {
	t.Helper()
	for name := range counted {
		if !slices.ContainsFunc(caps.Quotas, func(q broker.Quota) bool { return slices.Contains(q.Calls, name) }) {
			t.Errorf("%s has no quota", name)
		}
	}
}

// anywhere is a policy that forbids nothing.
const anywhere = "anywhere"

// brokerAt is a broker with a token of its own, that is enrolled at the target.
func brokerAt(t *testing.T, target broker.Target) *broker.Broker {
	t.Helper()
	s, err := store.Create(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "keyferry.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	token := hsm.New(hsm.Options{})
	run := func() *broker.Broker {
		b, err := broker.New(broker.Options{
			Store: s, Targets: []broker.Target{target}, Now: time.Now, Policies: []broker.Policy{{Name: anywhere, AllowSoftware: true}},
			Log: slog.New(slog.DiscardHandler), Holder: "tests",
			Token: &broker.TokenSetup{Name: "hsm", Token: token, Environment: target.Environment, Pins: map[string]string{"module": "memory"}},
			Actor: broker.Actor{User: "tester", Host: "here", PID: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, why := run(), broker.Why{Reason: "test"}
	if _, err := b.EnrolToken(t.Context(), why); err != nil {
		t.Fatal(err)
	}
	if _, err := b.EnrolTarget(t.Context(), target.Name, why); err != nil {
		t.Fatal(err)
	}
	return run() // as the next command: it knows nothing of who it is yet
}
