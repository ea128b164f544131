package e2e_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// A store that cannot be used as it is. Nothing is sent, and none is made anew.
func TestBadStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var lock func()
	table := append([]bad{
		{
			name: "locked by another program", asked: reads,
			spoil: func(t *testing.T, s *site) { t.Helper(); lock = e2etest.Lock(t, s.database()) },
			heal:  func(*testing.T, *site) { lock() },
			says:  []string{"keyferry.db", "locked", "another process holds the database"},
		}, {
			name:  "newer schema",
			spoil: statement(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`),
			heal:  statement(`DELETE FROM goose_db_version WHERE version_id = 99`),
			says:  []string{"keyferry.db", "newer keyferry", "schema 99", "use the newer keyferry, or restore a backup"},
		}, {
			name:  "open to others",
			spoil: func(t *testing.T, s *site) { t.Helper(); fatal(t, os.Chmod(s.database(), 0o644)) },
			heal:  func(t *testing.T, s *site) { t.Helper(); fatal(t, os.Chmod(s.database(), 0o600)) },
			says:  []string{"keyferry.db", "0644", "chmod 600 "},
		},
	}, s.lostStores(t)...)
	for i := range table {
		table[i].code = 1
	}
	s.refusesAll(t, table)
}

// lostStores are those of which a backup is needed: it is restored, and the same
// import finishes.
func (s *site) lostStores(t *testing.T) []bad {
	t.Helper()
	older, newest := filepath.Join(s.Dir, "older.db"), filepath.Join(s.Dir, "newest.db")
	s.Must(t, "store", "backup", older)
	table := []bad{
		{name: "corrupted at its head", spoil: overwrite(0, 1), says: []string{"keyferry.db", "restore a backup"}},
		{name: "corrupted within", spoil: overwrite(1, 1<<20), says: []string{"keyferry.db", "restore a backup"}},
		{name: "cut in half", spoil: halve, says: []string{"keyferry.db", "restore a backup"}},
		{
			name: "older than its head", spoil: func(t *testing.T, s *site) { t.Helper(); putBack(t, older, s.database()) },
			says: []string{"check the store", "tampered", "the token remembers entry", "the store is older than that", "restore the newest backup"},
		},
		{
			name: "not there", spoil: func(t *testing.T, s *site) { t.Helper(); fatal(t, os.Remove(s.database())) },
			says: []string{"keyferry.db", "not found", "keyferry init"},
		},
	}
	for i, b := range table {
		table[i].spoil = func(t *testing.T, s *site) {
			t.Helper()
			fatal(t, removed(newest))
			s.Must(t, "store", "backup", newest)
			b.spoil(t, s)
		}
		table[i].heal = func(t *testing.T, s *site) { t.Helper(); putBack(t, newest, s.database()) }
	}
	return table
}

func (s *site) database() string { return filepath.Join(s.Dir, "keyferry.db") }

// putBack restores a backup as a person would: over the file, and nothing beside it.
func putBack(t *testing.T, backup, path string) {
	t.Helper()
	text, err := os.ReadFile(backup)
	fatal(t, err)
	fatal(t, errors.Join(removed(path), removed(path+"-wal"), removed(path+"-shm")))
	fatal(t, os.WriteFile(path, text, 0o600))
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pageSize is SQLite's.
const pageSize = 4096

// overwrite the beginning of these pages, as far as there are so many.
func overwrite(from, to int64) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		f, err := os.OpenFile(s.database(), os.O_RDWR, 0)
		fatal(t, err)
		info, err := f.Stat()
		fatal(t, err)
		for page := from; page < min(to, info.Size()/pageSize); page++ {
			_, err = f.WriteAt([]byte("what stood here is gone, and what stands here now is no page of any database"), page*pageSize)
			fatal(t, err)
		}
		fatal(t, f.Close())
	}
}

func halve(t *testing.T, s *site) {
	t.Helper()
	info, err := os.Stat(s.database())
	fatal(t, err)
	fatal(t, os.Truncate(s.database(), info.Size()/2))
}

// statement does to a database what another program would.
func statement(text string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+s.database())
		fatal(t, err)
		_, err = db.ExecContext(t.Context(), text)
		fatal(t, errors.Join(err, db.Close()))
	}
}
