package broker_test

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// account is the memory target's.
const account = "memory"

// wrappingKeys are shared by all targets of a test binary: making them takes
// longer than everything else.
var wrappingKeys = sync.OnceValues(func() ([]*rsa.PrivateKey, error) {
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 3072)
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return keys, nil
})

// quick is the default target, which settles within an instant.
func quick() broker.Capabilities {
	caps := providers.Default()
	caps.Settle, caps.Poll = 20*time.Millisecond, 10*time.Millisecond
	return caps
}

func newTarget(w *world, caps broker.Capabilities) *providers.Provider {
	w.t.Helper()
	return targetCalled(w, "target", caps)
}

// targetCalled is a target whose calls a killer and injected faults know by its name.
func targetCalled(w *world, name string, caps broker.Capabilities) *providers.Provider {
	w.t.Helper()
	keys, err := wrappingKeys()
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := providers.New(providers.Config{
		Account: account, Capabilities: caps, WrappingKeys: keys,
		Now:   func() time.Time { return w.now },
		Fault: func(call string, committed bool) error { return w.fault(name+" "+call, !committed) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// exactlyOne holds what the target has against what was asked: one key with
// material under the name, which consumers get, and nothing else that could be
// used.
func (w *world) exactlyOne(t *testing.T, name string) {
	t.Helper()
	report := w.target.Report()
	got := report.Names[name]
	if len(got) != 1 || got[0].SHA256 == "" || got[0].State != broker.RemoteEnabled || len(report.Orphans) != 0 || len(report.Twins) != 0 {
		t.Errorf("the target holds %+v, orphans %v, twins %v", got, report.Orphans, report.Twins)
	}
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Versions) != 1 || len(view.Placements) != 1 {
		t.Fatalf("on record: %d versions, %d placements", len(view.Versions), len(view.Placements))
	}
	p := view.Placements[0]
	if p.Step != broker.PlacementActive || view.Versions[0].State != broker.Active || p.Proof.Level == "" || p.Proof.Failed {
		t.Errorf("on record: version %s, placement %s, proof %+v", view.Versions[0].State, p.Step, p.Proof)
	}
	consumed := w.observe(t, broker.Query{Consumer: p.Consumer})
	if len(consumed) != 1 || consumed[0].Version.Key != p.Version.Key {
		t.Errorf("consumers get %+v, on record is %s", consumed, p.Version.Key.ID)
	}
}

func (w *world) observe(t *testing.T, q broker.Query) []broker.Observation {
	t.Helper()
	var seen []broker.Observation
	for o, err := range w.target.Look(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, o)
	}
	return seen
}

// auditHolds verifies the whole audit against the token's seals.
func (w *world) auditHolds(t *testing.T) {
	t.Helper()
	report, err := w.run(nil).VerifyAudit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) > 0 || report.Heads == 0 {
		t.Errorf("the audit has %d sealed heads and faults %q", report.Heads, report.Faults)
	}
}

// events are those of the audit, in order.
func (w *world) events(tb testing.TB) []string {
	tb.Helper()
	var events []string
	for e, err := range w.store.Entries(tb.Context(), 0) {
		if err != nil {
			tb.Fatal(err)
		}
		events = append(events, e.Event)
	}
	return events
}

func (w *world) hasEvent(tb testing.TB, event string) bool {
	tb.Helper()
	return slices.Contains(w.events(tb), event)
}

// another is a second process at work on the same store, which does not take the first
// for dead.
func (w *world) another(t *testing.T) *broker.Broker {
	t.Helper()
	o := w.options()
	o.Holder, o.Stale = "another", nil
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
