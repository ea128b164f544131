package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// putBack is a world whose store is the backup from before a key was imported.
func putBack(t *testing.T) *world {
	t.Helper()
	w := enrolledWorld(t, "test")
	w.must(args("import aws kept/db --policy payments")...)
	backup, path := filepath.Join(w.dir, "monday.db"), filepath.Join(w.dir, "keyferry.db")
	w.must("store", "backup", backup)
	w.must(args("import aws later/db --policy payments")...)
	text, err := os.ReadFile(backup)
	w.ok(err)
	for _, beside := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + beside) // it may not be there
	}
	w.ok(os.WriteFile(path, text, 0o600))
	return w
}

// Enrolled as restored, an older store is not taken without a look either.
func TestAnOlderStoreIsLookedAtWhenItIsEnrolled(t *testing.T) {
	t.Parallel()
	w := putBack(t)
	w.refuses(exitFailed, args("token enrol --environment test"), "the store is older than that", "keyferry store recover --reason")
	s := w.must(args("token enrol --environment test --restored --reason lost")...)
	if !strings.Contains(s.stderr, "2 things are there that this store does not know of: keyferry inventory --orphans") {
		t.Errorf("it says %s", s)
	}
	w.refuses(exitFailed, args("import aws later/db --policy payments"), "when the store was recovered")
	w.must(args("import aws next/db --policy payments")...)
	for _, o := range asks[[]broker.Orphan](w, "inventory", "--orphans") {
		line := split(t, strings.Replace(o.Do, "…", "unwanted", 1))[1:]
		if o.Target != "" { // enabled as it is, it takes a word more
			w.refuses(exitFailed, line, "--unused")
			line = append(line, "--unused")
		}
		w.must(line...)
	}
	if left := asks[[]broker.Orphan](w, "inventory", "--orphans"); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	w.must("audit", "verify")
}

// A backup is put back: reading works, changing is refused and says what to do, and
// after that was done the world goes on, with nothing made twice.
func TestARestoredBackupIsReconciled(t *testing.T) {
	t.Parallel()
	w := putBack(t)
	for _, line := range []string{"inventory", "key list", "key show kept/db", "operation list", "audit list"} {
		w.must(args(line)...)
	}
	for _, line := range []string{"inventory --orphans", "token show", "target show aws-test"} {
		if s := w.must(args(line)...); !strings.Contains(s.stderr, "what is on record is old: ") || !strings.Contains(s.stderr, "the store is older than that") || !strings.Contains(s.stderr, "keyferry store recover --reason") {
			t.Errorf("%s says nothing of it: %s", line, s)
		}
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
	if s := w.must("token", "show"); strings.Contains(s.stderr, "is old") {
		t.Errorf("after it was recovered: %s", s)
	}
	if s := w.must("inventory", "--orphans"); !strings.Contains(s.out, "later/db") || !strings.Contains(s.out, "token object") {
		t.Errorf("%s", s)
	}
	w.must("audit", "verify")
}
