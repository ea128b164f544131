package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// destroyed is a world whose numbered target lost the material of k, and how long an
// import takes there.
func destroyed(t *testing.T, spec broker.KeySpec) (w *world, takes *time.Duration) {
	t.Helper()
	w, takes = bareWorld(t, quick()), new(time.Duration)
	keys, err := wrappingKeys()
	if err != nil {
		t.Fatal(err)
	}
	p, err := providers.New(providers.Config{
		Account: account, Capabilities: numbered(), WrappingKeys: keys, Now: func() time.Time { return w.now },
		Fault:     func(call string, committed bool) error { return w.fault("numbered "+call, !committed) },
		Importing: func() providers.Importing { return providers.Importing{Takes: *takes} },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.others = []broker.Target{{
		Name: "numbered", Provider: p, Environment: "test", Genuine: true, Pins: map[string]string{broker.PinAccount: account, "region": "there"},
	}}
	w.enrol()
	req := only("numbered")
	req.Spec = spec
	v := w.imported(t, req).Key.Placements[0].Version
	if _, err := p.Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: broker.Schedule}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if held := w.held("numbered"); len(held) != 1 || held[0].State != broker.RemoteDestroyed {
		t.Fatalf("it holds %+v", held)
	}
	return w, takes
}

// renewed gives back what was destroyed, and counts how often it is sent.
func (w *world) renewed(t *testing.T, stop func(call string, before bool) error) (sent int, err error) {
	t.Helper()
	w.inject = func(call string, before bool) error {
		if call == "numbered import" && before {
			sent++
		}
		return stop(call, before)
	}
	_, err = w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "k"})
	w.inject = nil
	return sent, err
}

func never(string, bool) error { return nil }

// A restore that stopped goes on as what it was begun as, also where the version has
// its material again by then and looks as if there were nothing to restore.
func TestAStoppedRestoreGoesOnAsOne(t *testing.T) {
	t.Parallel()
	for _, spec := range specsEverywhere() {
		for name, c := range map[string]struct {
			takes time.Duration
			stop  func(call string, before bool) error
			again int // sent by the second run
		}{
			"before it arrived": {0, func(call string, before bool) error {
				if call == "numbered import" && before {
					return broker.Denied
				}
				return nil
			}, 1},
			"after it arrived": {0, func(call string, before bool) error {
				if call == "numbered import" && !before {
					return broker.Denied
				}
				return nil
			}, 0},
			"while it is imported": {time.Hour, never, 0},
		} {
			t.Run(string(spec)+"/"+name, func(t *testing.T) {
				t.Parallel()
				w, takes := destroyed(t, spec)
				was := w.held("numbered")[0]
				*takes = c.takes
				if _, err := w.renewed(t, c.stop); !errors.Is(err, broker.Denied) && !errors.Is(err, broker.Unavailable) {
					t.Fatalf("it was not stopped: %v", err)
				}
				if c.takes > 0 { // the cloud is still at it: nothing is sent, and it is waited for again
					if sent, err := w.renewed(t, never); sent != 0 || !errors.Is(err, broker.Unavailable) {
						t.Errorf("while it is imported: sent %d times, %v", sent, err)
					}
				}
				w.now = w.now.Add(2 * time.Hour)
				sent, err := w.renewed(t, never)
				if err != nil || sent != c.again {
					t.Fatalf("sent %d times, want %d: %v", sent, c.again, err)
				}
				w.restoredTo(t, was)
			})
		}
	}
}

// restoredTo: the same version with the same material, and nothing beside it.
func (w *world) restoredTo(t *testing.T, was providers.Held) {
	t.Helper()
	held := w.held("numbered")
	if len(held) != 1 || held[0].Version != was.Version || held[0].SHA256 != was.SHA256 || held[0].State != broker.RemoteEnabled {
		t.Errorf("it holds %+v, it was %+v", held, was)
	}
	if c := w.verified(t, "k"); !c.OK || c.State != broker.RemoteEnabled {
		t.Errorf("%+v", c)
	}
	w.auditHolds(t)
}

func TestARestoreKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		world: func(t *testing.T) *world {
			t.Helper()
			w, _ := destroyed(t, broker.ECP384)
			return w
		},
		act: func(ctx context.Context, w *world, b *broker.Broker) error {
			_, err := b.Renew(ctx, broker.RenewRequest{Name: "k"})
			if errors.Is(err, broker.Unsupported) && w.hasEvent(w.t, "renewal.finished") {
				return nil // killed after the last word: there is nothing to restore
			}
			return err
		},
		check: func(t *testing.T, w *world) { t.Helper(); w.oneEverywhere(t, "k", "numbered") },
		calls: 10, after: true,
	}.killEverywhere(t)
}
