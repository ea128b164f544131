package broker_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// unindexed makes the store one that was written before there was an index: the same
// entries without state and links, chained and sealed as they were then.
func (w *world) unindexed(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", w.path)
	must(t, err)
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	heads := map[int64]broker.Head{}
	for h, err := range w.store.Heads(t.Context(), 0) {
		must(t, err)
		heads[h.Seq] = h
	}
	var last broker.Head
	var entries []broker.Entry
	for e, err := range w.store.Entries(t.Context(), 0) {
		must(t, err)
		e.State, e.Links = "", nil
		e, err = e.Chained(last)
		must(t, err)
		entries, last = append(entries, e), e.Head()
	}
	for _, s := range []string{"DROP TRIGGER audit_update", "DROP TRIGGER heads_update", "DELETE FROM audit_ends", "DELETE FROM audit_nodes"} {
		exec(s)
	}
	for _, e := range entries {
		text, err := json.Marshal(e)
		must(t, err)
		h := heads[e.Seq]
		h.Hash = e.Hash
		mac, err := w.token.Seal(t.Context(), h.Record())
		must(t, err)
		exec("UPDATE audit SET entry = ? WHERE seq = ?", string(text), e.Seq)
		exec("UPDATE heads SET hash = ?, seal = ? WHERE seq = ?", e.Hash, mac, e.Seq)
	}
	must(t, db.Close())
	anchor, err := json.Marshal(map[string]any{"store": entries[0].Hash, "head": last})
	must(t, err)
	must(t, w.token.SetAnchor(t.Context(), "audit head", anchor))
}

// A store from before there was an index gets one with the first command that trusts
// it, and goes on; what was edited in it is found before and after.
func TestAStoreFromBeforeTheIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[0])
	w.unindexed(t)
	again, err := w.run(nil).Import(t.Context(), lines()[0])
	if err != nil || !again.AlreadyDone {
		t.Fatalf("imported again: %v, %v", again.AlreadyDone, err)
	}
	if !w.hasEvent(t, "audit.indexed") {
		t.Error("it is not on record")
	}
	w.imported(t, lines()[1])
	w.auditHolds(t)
	w.edit(t, "DELETE FROM placements")
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) {
		t.Errorf("with a row removed: %v", err)
	}
}

func TestAnEditedStoreFromBeforeTheIndex(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]string{
		"an entry":      "UPDATE audit SET entry = replace(entry, 'tester', 'nobody') WHERE seq = 4",
		"a head's seal": "UPDATE heads SET seal = zeroblob(32) WHERE seq = 4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.imported(t, lines()[0])
			w.unindexed(t)
			w.edit(t, edit)
			if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) {
				t.Errorf("imported again: %v", err)
			}
			if report, err := w.run(nil).VerifyAudit(t.Context(), nil); err != nil || len(report.Faults) == 0 {
				t.Errorf("audit verify: %+v, %v", report, err)
			}
		})
	}
}

// Whoever can write the file puts one key back to an earlier day, with its rows, the
// index of that day or the entries about it: nothing of that fits the last entry.
func TestOneKeyPutBackIsRefused(t *testing.T) {
	t.Parallel()
	rows := []string{
		"DELETE FROM effects", "DELETE FROM operations", "DELETE FROM placements", "DELETE FROM key_versions", "DELETE FROM key_tags", "DELETE FROM keys",
	}
	index := []string{
		"DELETE FROM audit_ends", "DELETE FROM audit_nodes", "INSERT INTO audit_ends SELECT * FROM old.audit_ends", "INSERT INTO audit_nodes SELECT * FROM old.audit_nodes",
	}
	for name, edits := range map[string][]string{
		"its rows":                           rows,
		"its rows and their index":           append(rows, index...),
		"its rows and its part of the index": append(rows, "DELETE FROM audit_ends WHERE subject = 'key aes'"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			old := filepath.Join(t.TempDir(), "old.db")
			must(t, w.store.(*store.Store).Backup(t.Context(), old))
			w.imported(t, lines()[0])
			w.edit(t, "ATTACH '"+old+"' AS old; "+joined(edits))
			if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) {
				t.Errorf("imported again: %v", err)
			}
			if made := w.target.Report().Names["aes"]; len(made) != 1 {
				t.Errorf("the target holds %+v", made)
			}
		})
	}
}

func joined(statements []string) string {
	text := ""
	for _, s := range statements {
		text += s + ";"
	}
	return text
}
