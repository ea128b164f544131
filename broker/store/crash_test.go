package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// A process is killed in the midst of its changes, again and again: what was
// answered is there, what is there is whole, and the chain goes on.
func TestKilledWhileApplying(t *testing.T) {
	t.Parallel()
	path := created(t)
	for round := range 12 {
		writer := startChild(t, "write", path)
		var seq int64
		var hash string
		for range 1 + round*5 { // the kill meets another place each time
			_, err := fmt.Sscan(writer.line(t), &seq, &hash)
			must(t, err)
		}
		must(t, writer.Process.Kill())
		for writer.lines.Scan() { // answered, and not read before the kill
			if _, err := fmt.Sscan(writer.lines.Text(), &seq, &hash); err != nil {
				break // killed while it printed
			}
		}
		_ = writer.Wait() // killed
		acknowledged(t, path, seq, hash)
	}
}

func acknowledged(t *testing.T, path string, seq int64, hash string) {
	t.Helper()
	s := opened(t, path)
	must(t, s.Check(t.Context()))
	var last broker.Head
	for e, err := range s.Entries(t.Context(), 0) {
		must(t, err)
		want, err := e.Chained(last)
		must(t, err)
		if e.Hash != want.Hash || e.Seq != want.Seq {
			t.Fatalf("entry %d does not follow %d", e.Seq, last.Seq)
		}
		if last = e.Head(); e.Seq == seq && e.Hash != hash {
			t.Fatalf("entry %d is not the one that was answered", seq)
		}
	}
	info, err := s.Info(t.Context())
	must(t, err)
	if last.Seq < seq {
		t.Errorf("%d was answered, %d is the last there", seq, last.Seq)
	}
	if n := int(last.Seq); info.Keys != n || info.Versions != n || info.Placements != n || info.Heads != n {
		t.Errorf("%d entries, but %+v: part of a change is there", n, info)
	}
	must(t, s.Close())
}

// A process is killed while it makes databases: each that is there is a whole one.
func TestKilledWhileCreating(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		path := newPath(t)
		maker := startChild(t, "create", path)
		for range 1 + round {
			maker.line(t)
		}
		must(t, maker.Process.Kill())
		_ = maker.Wait() // killed
		found, err := filepath.Glob(path + "-*")
		must(t, err)
		made := 0
		for _, name := range found {
			if strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm") {
				continue
			}
			s := opened(t, name)
			must(t, s.Check(t.Context()))
			must(t, s.Close())
			made++
		}
		if made < 1+round {
			t.Errorf("%d are there, %d were answered", made, 1+round)
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s := opened(t, path)
	copied := filepath.Join(t.TempDir(), "copy.db")
	must(t, s.Backup(t.Context(), copied))
	onlyFile(t, copied)
	info, err := os.Stat(copied)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	if want, got := dump(t, path), dump(t, copied); want != got {
		t.Errorf("the copy differs:\n%s\n%s", want, got)
	}
	b := opened(t, copied)
	must(t, b.Check(t.Context()))
	_, err = b.Apply(t.Context(), numbered(100))
	must(t, err)
	if _, err := s.Key(t.Context(), "key-000100"); broker.KindOf(err) != broker.NotFound {
		t.Errorf("the copy and the original are one: %v", err)
	}
}

// dump is every row of every table.
func dump(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	db := raw(t, path)
	for _, table := range []string{
		"keys", "key_tags", "key_versions", "placements", "operations", "effects", "audit", "heads", "enrolments", "leases", "cache", "goose_db_version", "sqlite_schema",
	} {
		dumpTable(t, &b, db, table)
	}
	must(t, db.Close())
	return b.String()
}

func dumpTable(t *testing.T, b *strings.Builder, db *sql.DB, table string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+table+` ORDER BY 1, 2`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	columns, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		must(t, rows.Scan(into...))
		if table == "sqlite_schema" {
			values[3] = nil // the page a table begins at
		}
		fmt.Fprintf(b, "%s %v\n", table, values)
	}
	must(t, rows.Err())
}

func TestBackupWhileOthersWrite(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s := opened(t, path)
	writer := startChild(t, "write", path)
	for n := range 4 {
		line := writer.line(t)
		var seq int64
		var hash string
		_, err := fmt.Sscan(line, &seq, &hash)
		must(t, err)
		copied := fmt.Sprintf("%s.copy-%d", path, n)
		must(t, s.Backup(t.Context(), copied))
		acknowledged(t, copied, seq, hash)
	}
}

func TestBackupReplacesNothing(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s := opened(t, path)
	link := path + ".link"
	must(t, os.Symlink(path+".none", link))
	before := contents(t, filepath.Dir(path))
	for _, to := range []string{path, link} {
		explains(t, s.Backup(t.Context(), to), broker.Conflict, to, "it is there already", "another path")
	}
	missing := filepath.Join(filepath.Dir(path), "no", "copy.db")
	explains(t, s.Backup(t.Context(), missing), broker.NotFound, missing, "mkdir -p")
	if after := contents(t, filepath.Dir(path)); before != after {
		t.Errorf("files changed:\n%s\n%s", before, after)
	}
}

// A backup of a damaged database would replace the last good one some day.
func TestBackupOfADamagedFile(t *testing.T) {
	t.Parallel()
	text := whole(t)
	path := newPath(t)
	for i := len(text) / 2; i < len(text); i++ {
		text[i] ^= 0x5a
	}
	must(t, os.WriteFile(path, text, 0o600))
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		explains(t, err, broker.Rejected, path)
		return
	}
	t.Cleanup(func() { must(t, s.Close()) })
	copied := filepath.Join(t.TempDir(), "copy.db")
	explains(t, s.Backup(t.Context(), copied), broker.Rejected, copied, "restore a backup")
	if _, err := os.Stat(copied); err == nil {
		t.Error("a copy of a damaged file was left")
	}
}
