package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// keptIn says in how many objects, and under how many wraps, the material of a key is.
func (w *world) keptIn(t *testing.T, name string) (objects, wraps int) {
	t.Helper()
	for _, r := range w.records(t) {
		if len(r.Wrapped) > 0 {
			wraps++
		}
	}
	return w.objects(t, name), wraps
}

// stillTheSame: renewed from where it is now, it is what the target had.
func (w *world) stillTheSame(t *testing.T, name string) {
	t.Helper()
	before := w.target.Report().Names[name][0].SHA256
	if c := w.verified(t, name); !c.OK {
		t.Errorf("verify: %+v", c)
	}
	if _, err := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: name, ValidTo: w.now.Add(24 * time.Hour)}); err != nil {
		t.Fatalf("renew: %v", err)
	}
	if after := w.target.Report().Names[name][0].SHA256; after != before {
		t.Errorf("the target has %s, it had %s", after, before)
	}
}

// Killed anywhere while it is moved, in either direction, and moved again: it is in one
// place, and the same.
func TestMoveKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, spec := range []broker.KeySpec{broker.HMAC256, broker.ECP256} {
		for to, from := range map[broker.Retain]broker.Retain{broker.RetainWrapped: broker.RetainToken, broker.RetainToken: broker.RetainWrapped} {
			t.Run(string(spec)+" to "+string(to), func(t *testing.T) {
				t.Parallel()
				objects, wraps := 0, 1
				if to == broker.RetainToken {
					objects, wraps = 1, 0
				}
				if !spec.Secret() {
					objects *= 2
				}
				scenario{
					ready: func(t *testing.T, w *world) {
						t.Helper()
						req := keptImport("k", spec)
						req.Retain = from
						w.imported(t, req)
					},
					act: func(ctx context.Context, _ *world, b *broker.Broker) error {
						_, err := b.Move(ctx, broker.MoveRequest{Name: "k", To: to, Why: broker.Why{Reason: "test"}})
						return err
					},
					check: func(t *testing.T, w *world) {
						t.Helper()
						view, err := w.store.Key(t.Context(), "k")
						if err != nil || view.Versions[0].Retain != to {
							t.Errorf("it is retained as %s, %v", view.Versions[0].Retain, err)
						}
						if o, n := w.keptIn(t, "k"); o != objects || n != wraps {
							t.Errorf("it is in %d objects and %d wraps", o, n)
						}
						w.stillTheSame(t, "k")
					},
					calls: 8,
				}.killEverywhere(t)
			})
		}
	}
}

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := keptImport("k", broker.AES256)
	req.Retain = broker.RetainToken
	w.imported(t, req)
	for _, to := range []broker.Retain{broker.RetainWrapped, broker.RetainWrapped, broker.RetainToken, broker.RetainToken, broker.RetainWrapped} {
		moved, err := w.run(nil).Move(t.Context(), broker.MoveRequest{Name: "k", To: to})
		if err != nil || len(moved) != 1 || moved[0].To != to || moved[0].Done != (moved[0].From == to) {
			t.Fatalf("to %s: %+v, %v", to, moved, err)
		}
		w.stillTheSame(t, "k")
	}
	w.auditHolds(t)
}

func TestWhatIsNotMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	sealed := lines()[2]
	w.imported(t, sealed)
	if err := w.token.Plant(tokens.Planted{ID: "theirs", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}}); err != nil {
		t.Fatal(err)
	}
	theirs := keptImport("theirs", broker.AES256)
	theirs.Retain, theirs.Object = broker.RetainToken, "theirs"
	w.imported(t, theirs)
	w.imported(t, keptImport("kept", broker.AES256))
	other := w.records(t)[0]
	for name, c := range map[string]struct {
		req  broker.MoveRequest
		kind broker.Kind
		says string
	}{
		"sealed":            {broker.MoveRequest{Name: sealed.Name, To: broker.RetainWrapped}, broker.Conflict, "can be wrapped no more"},
		"somebody else's":   {broker.MoveRequest{Name: "theirs", To: broker.RetainWrapped}, broker.Conflict, "not the broker's to end"},
		"nothing":           {broker.MoveRequest{Name: "nothing", To: broker.RetainWrapped}, broker.NotFound, ""},
		"to nowhere":        {broker.MoveRequest{Name: "kept", To: broker.RetainNone}, broker.Misuse, "wrapped or token"},
		"to no known place": {broker.MoveRequest{Name: "kept", To: "moon"}, broker.Misuse, "moon"},
	} {
		t.Run(name, func(t *testing.T) {
			_, planned := w.run(nil).PlanMove(t.Context(), c.req)
			_, err := w.run(nil).Move(t.Context(), c.req)
			for what, err := range map[string]error{"plan": planned, "move": err} {
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	for name, stored := range map[string]bool{"born there": false, "stored there": true} {
		t.Run("an object that is not what is on record, "+name, func(t *testing.T) {
			w.token.Lose(other.Material, "secret")
			must(t, w.token.Plant(tokens.Planted{ID: other.Material, Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}, Stored: stored}))
			for _, to := range []broker.Retain{broker.RetainToken, broker.RetainWrapped} {
				_, err := w.run(nil).Move(t.Context(), broker.MoveRequest{Name: "kept", To: to})
				if e, _ := errors.AsType[*broker.Error](err); !errors.Is(err, broker.Undecided) || len(e.Seen) != 1 || e.Seen[0].Ref != string(other.Material) {
					t.Errorf("to %s: %v, %+v", to, err, e)
				}
			}
			if o, n := w.keptIn(t, "kept"); o != 1 || n != 1 {
				t.Errorf("%d objects, %d wraps: something was destroyed", o, n)
			}
		})
	}
}

func TestAnUnfinishedKeyIsNotMoved(t *testing.T) {
	t.Parallel()
	w := halted(t)
	_, err := w.run(nil).Move(t.Context(), broker.MoveRequest{Name: lines()[0].Name, To: broker.RetainWrapped})
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "is failed") {
		t.Errorf("%v", err)
	}
}

// Killed anywhere while the keeper key is replaced, and called again: all is under the
// new one, opens, and the old one is retired and there.
func TestKeeperRotationKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		ready: func(t *testing.T, w *world) {
			t.Helper()
			w.imported(t, keptImport("one", broker.AES256))
			w.imported(t, keptImport("two", broker.ECP256))
		},
		act: func(ctx context.Context, w *world, b *broker.Broker) error {
			w.now = w.now.Add(time.Second)
			_, err := b.RotateKeeper(ctx, broker.Why{Reason: "test"})
			return err
		},
		check: func(t *testing.T, w *world) {
			t.Helper()
			keepers, err := w.store.Keepers(t.Context())
			if err != nil || len(keepers) < 2 || keepers[0].State != broker.KeeperCurrent {
				t.Fatalf("%+v, %v", keepers, err)
			}
			for _, k := range keepers[1:] {
				if k.State != broker.KeeperRetired {
					t.Errorf("%+v", k)
				}
			}
			for _, r := range w.records(t) {
				if r.Keeper != keepers[0].ID {
					t.Errorf("%s is under %s", r.Material, r.Keeper)
				}
			}
			if keys, err := w.token.Keepers(t.Context()); err != nil || len(keys) != len(keepers) {
				t.Errorf("the token has %v, %v", keys, err)
			}
			w.stillTheSame(t, "one")
			w.stillTheSame(t, "two")
		},
		calls: 12,
	}.killEverywhere(t)
}

// A keeper key is destroyed when nothing needs it any more, for a reason, and not before.
func TestAKeeperKeyOutlivesWhatNeedsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("k", broker.AES256))
	old := w.records(t)[0].Keeper
	destroy := func(why broker.Why) error {
		_, err := w.run(nil).DestroyKeeper(t.Context(), old, why)
		return err
	}
	why := broker.Why{Reason: "test"}
	if err := destroy(why); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "1 keys") {
		t.Errorf("in use: %v", err)
	}
	if _, err := w.run(nil).RotateKeeper(t.Context(), why); err != nil {
		t.Fatal(err)
	}
	if err := destroy(why); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "backups of the store") {
		t.Errorf("a moment after: %v", err)
	}
	w.now = w.now.Add(broker.KeeperWindow)
	if err := destroy(broker.Why{}); !errors.Is(err, broker.Misuse) {
		t.Errorf("for no reason: %v", err)
	}
	for range 2 {
		if err := destroy(why); err != nil {
			t.Errorf("in time: %v", err)
		}
	}
	if keys, err := w.token.Keepers(t.Context()); err != nil || len(keys) != 1 || keys[0].ID == old {
		t.Errorf("the token has %v, %v", keys, err)
	}
	w.stillTheSame(t, "k")
	w.auditHolds(t)
}

// A key that somebody else writes to is left under the old keeper key, which stays, and
// taken along the next time.
func TestARotationLeavesWhatOthersWriteTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("busy", broker.AES256))
	w.imported(t, keptImport("free", broker.AES256))
	lease := broker.Lease{Name: "key/busy", Holder: "somebody", Now: w.now, Until: w.now.Add(time.Hour)}
	if err := w.store.Lease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	out, err := w.another(t).RotateKeeper(t.Context(), broker.Why{Reason: "test"})
	if err != nil || out.Rewrapped != 1 || len(out.Left) != 1 || out.Left[0] != "busy" || before(out) != broker.KeeperReplaced {
		t.Fatalf("%+v, %v", out, err)
	}
	lease.Release = true
	if err := w.store.Lease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	out, err = w.another(t).RotateKeeper(t.Context(), broker.Why{Reason: "test"})
	if err != nil || out.Rewrapped != 1 || len(out.Left) != 0 || before(out) != broker.KeeperRetired || len(out.Keepers) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

// before is the state of the keeper key that a rotation replaces.
func before(r broker.KeeperRotation) (state broker.KeeperState) {
	for _, k := range r.Keepers {
		if k.ID != r.Keeper {
			state = k.State
		}
	}
	return state
}
