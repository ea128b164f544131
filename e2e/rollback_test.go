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
			s.Must(t, s.imports("kept", "aes-256")...)
			backup := filepath.Join(s.Dir, "monday.db")
			s.Must(t, "store", "backup", backup)
			s.Must(t, s.imports("later", "hmac-256")...)
			s.putBack(t, backup)

			for _, args := range [][]string{{"token", "show"}, {"inventory", "--orphans"}, {"target", "show", "aws"}} {
				if out := s.Run(t, args...); out.Code != 0 || !contains(out.Stderr, "what is on record is old") || !contains(out.Stderr, "keyferry store recover --reason") {
					t.Errorf("keyferry %s: %s", args, out)
				}
			}
			if out := s.Run(t, s.imports("next", "aes-256")...); out.Code == 0 || !contains(out.Stderr, "read-only") {
				t.Errorf("before it was recovered: %s", out)
			}
			s.Must(t, "store", "recover", "--reason", "disk lost")
			if out := s.Run(t, s.imports("later", "hmac-256")...); out.Code == 0 || !contains(out.Stderr, "when the store was recovered") {
				t.Errorf("made a second time: %s", out)
			}
			s.Must(t, s.imports("next", "aes-256")...)
			if n := len(s.cleanedUp(t)); n != 2 {
				t.Errorf("%d orphans, want a key and an object of the token", n)
			}
			if left := s.cleanedUp(t); len(left) != 0 {
				t.Errorf("left are %+v", left)
			}
			s.Must(t, "verify", "--all")
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
	out := s.Run(t, "inventory", "--orphans", "--output", "json")
	fatal(t, json.Unmarshal([]byte(out.Stdout), &found))
	for _, o := range found {
		s.Must(t, o.removal(t)...)
	}
	return found
}
