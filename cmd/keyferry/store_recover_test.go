package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// A backup is put back: reading works, changing is refused and says what to do, and
// after that was done the world goes on, with nothing made twice.
func TestARestoredBackupIsReconciled(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws kept/db --policy payments")...)
	backup, path := filepath.Join(w.dir, "monday.db"), filepath.Join(w.dir, "keyferry.db")
	w.must("store", "backup", backup)
	w.must(args("import aws later/db --policy payments")...)
	text, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	for _, beside := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + beside) // it may not be there
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"inventory", "key list", "key show kept/db", "operation list", "audit list"} {
		w.must(args(line)...)
	}
	w.must("store", "backup", filepath.Join(w.dir, "again.db"))
	for _, line := range []string{"import aws next/db --policy payments", "import aws later/db --policy payments", "verify kept/db", "renew kept/db", "target enrol aws-test"} {
		w.refuses(exitFailed, args(line), "the store is older than that", "read-only", "changed: nothing", "keyferry store recover --reason")
	}
	w.refuses(exitMisused, args("store recover"), "a reason is required")
	planned := asks[broker.Recovered](w, "store", "recover", "--dry-run")
	done := asks[broker.Recovered](w, "store", "recover", "--reason", "disk lost")
	for _, r := range []broker.Recovered{planned, done} {
		if !r.Older || len(r.Missing) != 2 || r.Missing[0].Name != "later/db" || r.Missing[1].Material == "" {
			t.Errorf("%+v", r)
		}
	}
	w.refuses(exitFailed, args("import aws later/db --policy payments"), "when the store was recovered", "keyferry inventory --orphans")
	w.must(args("import aws next/db --policy payments")...)
	if s := w.must("inventory", "--orphans"); !strings.Contains(s.out, "later/db") || !strings.Contains(s.out, "token object") {
		t.Errorf("%s", s)
	}
	w.must("audit", "verify")
}
