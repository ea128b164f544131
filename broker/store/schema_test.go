package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyferry/keyferry/broker"
)

func TestOpenNewerSchema(t *testing.T) {
	t.Parallel()
	path := sample(t)
	change(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	openFails(t, path, broker.Rejected, "newer keyferry", "schema 99, this one knows 5", "use the newer keyferry, or restore a backup")
	change(t, path, `DELETE FROM goose_db_version WHERE version_id = 99`)
	must(t, opened(t, path).Check(t.Context()))
}

// A file of the first schema is brought up to date by opening it, and reads as before.
func TestOpenUpgradesTheFirstSchema(t *testing.T) {
	t.Parallel()
	path := sample(t)
	before, err := opened(t, path).Key(t.Context(), "key-000001")
	must(t, err)
	change(t, path, `DROP INDEX placements_name`, `ALTER TABLE placements DROP COLUMN name`, `ALTER TABLE placements DROP COLUMN terms`, `DROP TABLE wrapping_keys`,
		`DROP TABLE retained_material`, `DROP TABLE keeper_keys`, `ALTER TABLE key_versions DROP COLUMN wrapped`, `DROP TABLE audit_ends`, `DROP TABLE audit_nodes`, `DROP INDEX key_versions_material`, `ALTER TABLE key_versions DROP COLUMN material_id`,
		`DELETE FROM goose_db_version WHERE version_id > 1`)
	s := opened(t, path)
	after, err := s.Key(t.Context(), "key-000001")
	must(t, err)
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" || len(after.Placements) == 0 {
		t.Errorf("after the upgrade:\n%s", diff)
	}
	found := 0
	for view, err := range s.Keys(t.Context(), broker.KeyFilter{Name: strings.ToUpper(before.Placements[0].OurName())}) {
		must(t, err)
		if view.Key.ID == before.Key.ID {
			found++
		}
	}
	if found != 1 {
		t.Errorf("by the name %q it is found %d times", before.Placements[0].OurName(), found)
	}
	must(t, s.Check(t.Context()))
}

func TestOpenForeignFiles(t *testing.T) {
	t.Parallel()
	foreign := map[string]func(path string){
		"another program's": func(path string) {
			change(t, path, `PRAGMA application_id = 1`, `CREATE TABLE keys (id TEXT)`, `INSERT INTO keys VALUES ('theirs')`)
		},
		"nobody's":    func(path string) { change(t, path, `CREATE TABLE keys (id TEXT)`) },
		"a WAL one":   func(path string) { change(t, path, `PRAGMA journal_mode = WAL`, `CREATE TABLE t (id TEXT)`) },
		"empty":       func(path string) { must(t, os.WriteFile(path, nil, 0o600)) },
		"some text":   func(path string) { must(t, os.WriteFile(path, []byte(strings.Repeat("not a database\n", 999)), 0o600)) },
		"a few bytes": func(path string) { must(t, os.WriteFile(path, []byte("SQLite format 3\x00"), 0o600)) },
	}
	for name, make := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "inventory.db")
			make(path)
			must(t, os.Chmod(path, 0o600))
			openFails(t, path, broker.Rejected)
		})
	}
}

// The guards are against mistakes, of people with an SQL shell too: the seals are
// what notices malice.
func TestAuditIsAppendOnly(t *testing.T) {
	t.Parallel()
	path := sample(t)
	db := raw(t, path)
	for _, statement := range []string{
		`UPDATE audit SET entry = replace(entry, 'key-000001', 'key-000002')`,
		`UPDATE audit SET seq = 99 WHERE seq = 20`,
		`DELETE FROM audit WHERE seq = 20`,
		`DELETE FROM audit`,
		`INSERT OR REPLACE INTO audit (seq, entry) SELECT seq, entry FROM audit WHERE seq = 20`,
		`INSERT INTO audit (seq, entry) VALUES (30, '{"seq":30}')`,
		`INSERT INTO audit (seq, entry) VALUES (21, '{"seq":22}')`,
		`INSERT INTO audit (seq, entry) VALUES (21, 'text')`,
		`INSERT INTO audit (seq, entry) VALUES (0, '{"seq":0}')`,
		`UPDATE heads SET seal = x'00'`,
		`DELETE FROM heads`,
		`INSERT OR REPLACE INTO heads SELECT seq, hash, operation, x'00', at FROM heads WHERE seq = 20`,
		`INSERT INTO heads SELECT 5, hash, operation, seal, at FROM heads WHERE seq = 20`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s: done", statement)
		}
	}
	must(t, db.Close())
	info, err := opened(t, path).Info(t.Context())
	must(t, err)
	if info.Entries != 20 || info.Heads != 20 {
		t.Errorf("%+v: want 20 entries and heads", info)
	}
}

// Every table is STRICT, so that a column holds what it says.
func TestTablesAreStrict(t *testing.T) {
	t.Parallel()
	rows, err := raw(t, sample(t)).QueryContext(t.Context(),
		`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		t.Errorf("table %s is not STRICT", name)
	}
	must(t, rows.Err())
}
