package broker_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// standings are the keeper keys as they stand, by id.
func (w *world) standings(t *testing.T) map[broker.KeeperID]broker.KeeperStanding {
	t.Helper()
	all, err := w.run(nil).KeeperStandings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[broker.KeeperID]broker.KeeperStanding{}
	for _, s := range all {
		by[s.ID] = s
	}
	return by
}

// Through its whole life a keeper key is shown with what it guards, and without a fault.
func TestAKeeperKeyStandsAsItIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	if got := w.standings(t); len(got) != 0 {
		t.Errorf("before there is one: %+v", got)
	}
	born := w.now
	w.imported(t, keptImport("one", broker.AES256))
	w.imported(t, keptImport("two", broker.ECP256))
	first := w.records(t)[0].Keeper
	stands := func(when string, id broker.KeeperID, state broker.KeeperState, records int, held bool) broker.KeeperStanding {
		t.Helper()
		got := w.standings(t)[id]
		if got.State != state || got.Records != records || got.Held != held || got.Fault != "" || got.MadeAt.Before(born) || got.Environment != "test" {
			t.Errorf("%s it is %+v", when, got)
		}
		return got
	}
	made := stands("with two keys", first, broker.KeeperCurrent, 2, true).MadeAt
	w.now = w.now.Add(time.Hour)
	if _, err := w.run(nil).Move(t.Context(), broker.MoveRequest{Name: "two", To: broker.RetainToken, Why: broker.Why{Reason: "test"}}); err != nil {
		t.Fatal(err)
	}
	stands("with one key", first, broker.KeeperCurrent, 1, true)
	if _, err := w.run(nil).RotateKeeper(t.Context(), broker.Why{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	second := first
	for _, r := range w.records(t) {
		if r.Ended == "" { // what is in the token ended under the first
			second = r.Keeper
		}
	}
	old := stands("replaced", first, broker.KeeperRetired, 0, true)
	if next := stands("in its place", second, broker.KeeperCurrent, 1, true); !next.MadeAt.After(made) || !old.MadeAt.Equal(made) || old.RetiredAt.IsZero() {
		t.Errorf("the first was made %s, is %+v; the second %+v", made, old, next)
	}
	w.now = w.now.Add(broker.KeeperWindow)
	if _, err := w.run(nil).DestroyKeeper(t.Context(), first, broker.Why{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	if end := stands("destroyed", first, broker.KeeperDestroyed, 0, false); end.EndedAt.IsZero() {
		t.Errorf("destroyed: %+v", end)
	}
}

// What a keeper key is not as it should be is said of it, and what to do.
func TestAKeeperKeyThatDoesNotStandIsSaid(t *testing.T) {
	t.Parallel()
	const stranger = broker.KeeperPrefix + "0000"
	for name, c := range map[string]struct {
		harm func(t *testing.T, w *world, id broker.KeeperID)
		of   broker.KeeperID // "" the one on record
		held bool
		says string
	}{
		"lost": {func(t *testing.T, w *world, id broker.KeeperID) {
			t.Helper()
			if err := w.token.DestroyKeeper(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, "", false, "missing: the token has no such object"},
		"doubled": {func(_ *testing.T, w *world, id broker.KeeperID) { w.token.Twin(broker.MaterialID(id)) }, "", true, "2 objects of that id"},
		"another's": {func(t *testing.T, w *world, id broker.KeeperID) {
			t.Helper()
			w.token.Lose(broker.MaterialID(id), "secret")
			if err := w.token.Plant(tokens.Planted{ID: broker.MaterialID(id), Spec: broker.AES256}); err != nil {
				t.Fatal(err)
			}
		}, "", true, "its CKA_EXTRACTABLE is true: nothing is kept under it"},
		"not on record": {func(t *testing.T, w *world, _ broker.KeeperID) {
			t.Helper()
			if err := w.token.MakeKeeper(t.Context(), stranger); err != nil {
				t.Fatal(err)
			}
		}, stranger, true, "no record of this store names it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.imported(t, keptImport("k", broker.AES256))
			id := w.records(t)[0].Keeper
			c.harm(t, w, id)
			all := w.standings(t)
			of := c.of
			if of == "" {
				of = id
			}
			if got := all[of]; got.Held != c.held || !strings.Contains(got.Fault, c.says) {
				t.Errorf("%+v", got)
			}
			if got := all[id]; got.State != broker.KeeperCurrent || got.Records != 1 {
				t.Errorf("on record it is %+v", got)
			}
		})
	}
}

// A keeper key that is intended and not whole, as a run leaves it that is killed while the
// token makes it, is made afresh; one on record as made never is.
func TestAKeeperKeyThatWasHalfMadeIsMadeAfresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call == "token MakeKeeper" && before {
			return errors.New("gone")
		}
		return nil
	}
	req := keptImport("k", broker.AES256)
	if _, err := w.run(nil).Import(t.Context(), req); err == nil {
		t.Fatal("it was imported without a keeper key")
	}
	w.inject = nil
	var id broker.KeeperID
	for id = range w.standings(t) {
		must(t, w.token.Plant(tokens.Planted{ID: broker.MaterialID(id), Spec: broker.AES256, Stored: true}))
	}
	w.imported(t, req)
	if got := w.standings(t)[id]; got.State != broker.KeeperCurrent || got.Records != 1 || got.Fault != "" {
		t.Errorf("it is %+v", got)
	}
	w.token.Lose(broker.MaterialID(id), "secret")
	must(t, w.token.Plant(tokens.Planted{ID: broker.MaterialID(id), Spec: broker.AES256, Stored: true}))
	_, err := w.run(nil).Import(t.Context(), keptImport("another", broker.AES256))
	if !errors.Is(err, broker.Rejected) {
		t.Errorf("under one that is not as it was made: %v", err)
	}
	w.auditHolds(t)
}

// A destruction that was stopped half-way shows as one that is to go on.
func TestAStoppedDestructionOfAKeeperKeyShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("k", broker.AES256))
	old, why := w.records(t)[0].Keeper, broker.Why{Reason: "test"}
	if _, err := w.run(nil).RotateKeeper(t.Context(), why); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(broker.KeeperWindow)
	w.inject = func(call string, before bool) error {
		if call == "token DestroyKeeper" && before {
			return broker.Unavailable
		}
		return nil
	}
	if _, err := w.run(nil).DestroyKeeper(t.Context(), old, why); !errors.Is(err, broker.Unavailable) {
		t.Fatalf("%v", err)
	}
	w.inject = nil
	if got := w.standings(t)[old]; got.State != broker.KeeperDestroyed || !got.Held || !strings.Contains(got.Fault, "--destroy "+string(old)) {
		t.Errorf("%+v", got)
	}
}

// In a store that has no enrolment of the token, and in one that somebody edited, what
// the token has is shown; the second is said to be edited.
func TestKeeperKeysAreShownBesideNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("k", broker.AES256))
	id := w.records(t)[0].Keeper
	shown := func(s broker.Store, says string) error {
		t.Helper()
		o := w.options()
		o.Store = s
		b, err := broker.New(o)
		if err != nil {
			t.Fatal(err)
		}
		all, err := b.KeeperStandings(t.Context())
		if len(all) != 1 || all[0].ID != id || all[0].State != "" || !all[0].Held || !strings.Contains(all[0].Fault, says) {
			t.Errorf("%+v", all)
		}
		return err
	}
	other, err := store.Create(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "other.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := shown(other, "not enrolled in this store"); err != nil {
		t.Error(err)
	}
	w.edit(t, "UPDATE keeper_keys SET state = 'retired'")
	if err := shown(w.store, "not be believed"); !errors.Is(err, broker.Tampered) {
		t.Errorf("an edited row: %v", err)
	}
}
