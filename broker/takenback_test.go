package broker_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// rewrite runs statements on the store's file behind its back, without its triggers.
func (w *world) rewrite(t *testing.T, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer db.Close() //nolint:errcheck // what was written was written
	all := append(triggers(t, db), statements...)
	for _, s := range all {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// triggers are dropped by these.
func triggers(t *testing.T, db *sql.DB) (drops []string) {
	t.Helper()
	rows, err := db.Query("SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err below
	for rows.Next() {
		var drop string
		if err := rows.Scan(&drop); err != nil {
			t.Fatal(err)
		}
		drops = append(drops, drop)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return drops
}

// A store that is taken back to an earlier, sealed end while a process is at work: what it
// would write next is not sealed onto it, which would hide what was taken away.
func TestAStoreTakenBackIsNotWrittenOn(t *testing.T) {
	t.Parallel()
	w := finished(t)
	b := w.run(nil)
	keep, err := b.Note(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := b.Note(t.Context(), fmt.Sprint("victim ", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.rewrite(t, fmt.Sprintf("DELETE FROM audit WHERE seq > %d", keep.Seq), fmt.Sprintf("DELETE FROM heads WHERE seq > %d", keep.Seq))
	for range 5 { // enough to be longer than what was taken away
		if _, err := b.Note(t.Context(), "new"); !errors.Is(err, broker.Tampered) {
			t.Errorf("written onto a store that was taken back: %v", err)
		}
	}
	end, err := w.store.Told(t.Context(), "")
	if err != nil || end.Entry.Seq != keep.Seq {
		t.Errorf("the audit ends with %d, not %d: %v", end.Entry.Seq, keep.Seq, err)
	}
}

// An end that names another number than its row's is refused, whatever the number.
func TestAnEndOfAnotherNumberIsRefused(t *testing.T) {
	t.Parallel()
	w := finished(t)
	w.rewrite(t, "PRAGMA ignore_check_constraints = 1",
		`INSERT INTO audit (seq, entry) SELECT seq + 1, replace(entry, '{"seq":' || seq || ',', '{"seq":-5,') FROM audit ORDER BY seq DESC LIMIT 1`)
	if _, err := w.run(nil).VerifyAudit(t.Context(), nil); !errors.Is(err, broker.Tampered) {
		t.Errorf("verified: %v", err)
	}
	w.refused(t, w.options(), broker.Tampered)
}
