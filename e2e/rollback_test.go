package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// A backup is put back over the store: what is read is said to be old, nothing is changed
// until it was recovered, and what was done since is found in token and cloud, and cleaned
// up by the commands that it is listed with.
func TestAStoreThatIsPutBack(t *testing.T) {
	t.Parallel()
	for _, kind := range softtoken.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, kind)
			s.done(t, s.imports("kept", "aes-256")...)
			backup := filepath.Join(s.dir, "monday.db")
			s.done(t, "store", "backup", backup)
			s.done(t, s.imports("later", "hmac-256")...)
			s.putBack(t, backup)

			for _, args := range [][]string{{"token", "show"}, {"inventory", "--orphans"}, {"target", "show", "aws"}} {
				if out := s.run(t, args...); out.code != 0 || !contains(out.stderr, "what is on record is old") || !contains(out.stderr, "keyferry store recover --reason") {
					t.Errorf("keyferry %s: %s", args, out)
				}
			}
			if out := s.run(t, s.imports("next", "aes-256")...); out.code == 0 || !contains(out.stderr, "read-only") {
				t.Errorf("before it was recovered: %s", out)
			}
			s.done(t, "store", "recover", "--reason", "disk lost")
			if out := s.run(t, s.imports("later", "hmac-256")...); out.code == 0 || !contains(out.stderr, "when the store was recovered") {
				t.Errorf("made a second time: %s", out)
			}
			s.done(t, s.imports("next", "aes-256")...)
			if n := len(s.cleanedUp(t)); n != 2 {
				t.Errorf("%d orphans, want a key and an object of the token", n)
			}
			if left := s.cleanedUp(t); len(left) != 0 {
				t.Errorf("left are %+v", left)
			}
			s.done(t, "verify", "--all")
			s.judge(t, "kept", "next")
			s.auditHolds(t)
		})
	}
}

// putBack replaces the store by a copy, as a person does who has lost it.
func (s *site) putBack(t *testing.T, backup string) {
	t.Helper()
	text, err := os.ReadFile(backup)
	fatal(t, err)
	for _, beside := range []string{"-wal", "-shm"} {
		fatal(t, os.RemoveAll(s.database()+beside))
	}
	fatal(t, os.WriteFile(s.database(), text, 0o600))
}

// cleanedUp are the orphans that are there, each removed by its own command.
func (s *site) cleanedUp(t *testing.T) (found []orphan) {
	t.Helper()
	out := s.run(t, "inventory", "--orphans", "--output", "json")
	fatal(t, json.Unmarshal([]byte(out.stdout), &found))
	for _, o := range found {
		s.done(t, o.removal(t)...)
	}
	return found
}
