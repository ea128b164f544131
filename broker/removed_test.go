package broker_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	_ "modernc.org/sqlite" // the tables are edited behind the store's back
)

// edit changes the store's file as somebody who can write it and has no token.
func (w *world) edit(t *testing.T, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Rows that were taken out of the store are missed: nothing is made again.
func TestRowsRemovedAreMissed(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"effects":    {"DELETE FROM effects"},
		"placement":  {"DELETE FROM placements"},
		"operation":  {"DELETE FROM effects", "DELETE FROM operations"},
		"everything": {"DELETE FROM effects", "DELETE FROM operations", "DELETE FROM placements", "DELETE FROM key_versions", "DELETE FROM key_tags", "DELETE FROM keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.imported(t, staged())
			w.edit(t, statements...)
			if report, err := w.run(nil).VerifyAudit(t.Context(), nil); err != nil || len(report.Faults) == 0 {
				t.Errorf("audit verify: %+v, %v", report, err)
			}
			if _, err := w.run(nil).Import(t.Context(), staged()); !errors.Is(err, broker.Tampered) {
				t.Errorf("imported again: %v", err)
			}
			if made := w.target.Report().Names["hmac"]; len(made) != 1 {
				t.Errorf("the target holds %+v", made)
			}
		})
	}
}

// Without the effect of a call whose answer was lost, nobody would look for it.
func TestARemovedEffectMakesNoTwin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	ctx, cancel := context.WithCancel(t.Context())
	w.inject = func(call string, before bool) error {
		if call == "target prepare" && !before {
			cancel()
			return errKilled
		}
		return nil
	}
	if _, err := w.run(nil).Import(ctx, lines()[0]); err == nil {
		t.Fatal("it was not stopped")
	}
	w.inject = nil
	w.edit(t, "DELETE FROM effects")
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) {
		t.Errorf("imported again: %v", err)
	}
	if made := w.target.Report().Orphans; len(made) > 1 {
		t.Errorf("keys that were made: %+v", made)
	}
}

// The newest backup there is may be older than what the token remembers: nothing
// goes on by itself, and a person can decide to.
func TestAnOlderBackupIsGoneOnWithOnPurpose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[0])
	backup := filepath.Join(t.TempDir(), "old.db")
	if err := w.store.(*store.Store).Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	w.imported(t, lines()[1])
	old, err := store.Open(t.Context(), store.Options{Path: backup})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := old.Close(); err != nil {
			t.Error(err)
		}
	}()
	w.store = old
	why := broker.Why{Reason: "the newest backup there is"}
	if err := w.run(nil).CheckEnrolments(t.Context()); !errors.Is(err, broker.Tampered) {
		t.Errorf("an older store: %v", err)
	}
	if _, err := w.run(nil).EnrolToken(t.Context(), why); !errors.Is(err, broker.Tampered) {
		t.Errorf("enrolled without saying so: %v", err)
	}
	if _, _, err := w.run(nil).EnrolRestored(t.Context(), broker.Why{}); !errors.Is(err, broker.Misuse) {
		t.Errorf("without a reason: %v", err)
	}
	if _, _, err := w.run(nil).EnrolRestored(t.Context(), why); err != nil {
		t.Fatal(err)
	}
	if err := w.run(nil).CheckEnrolments(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	orphans, err := w.run(nil).Orphans(t.Context(), nil)
	if err != nil || len(orphans) != 1 || orphans[0].Name != "hmac" {
		t.Errorf("what was done since is not listed: %+v, %v", orphans, err)
	}
	w.auditHolds(t)
}

// A seal key that is gone is not replaced: a new one could vouch for nothing.
func TestALostSealKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	w := finished(t)
	var seal broker.MaterialID
	for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ours := o.ID.Parse(); !ours && o.Class == "secret" {
			seal = o.ID
		}
	}
	w.token.Lose(seal, "secret")
	if _, err := w.run(nil).EnrolToken(t.Context(), broker.Why{Reason: "again"}); !errors.Is(err, broker.Conflict) {
		t.Errorf("%v", err)
	}
	for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{ID: seal}) {
		t.Errorf("a new one was made: %+v, %v", o, err)
	}
}
