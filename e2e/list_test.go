package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// list writes a list of keys; it returns the command that brings it, and the names.
func (s *site) list(t *testing.T, n int) (args, names []string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("name,spec\r\n")
	for i := range n {
		names = append(names, fmt.Sprintf("listed-%d", i))
		fmt.Fprintf(&text, "listed-%d,%s\r\n", i, []string{"aes-256", "ec-p384", "hmac-256"}[i%3])
	}
	path := filepath.Join(s.Dir, "keys.csv")
	fatal(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return []string{"import", "file", path, "--policy", "plain", "--at-once", "3", "--reason", "test", "--output", "json"}, names
}

// states counts the rows of an answer by state.
func states(t *testing.T, out e2etest.Outcome) map[string]int {
	t.Helper()
	var rows []struct{ State string }
	fatal(t, json.Unmarshal([]byte(out.Stdout), &rows))
	count := map[string]int{}
	for _, r := range rows {
		count[r.State]++
	}
	return count
}

// heldWhile begins a list and waits until one of its imports is held.
func (s *site) heldWhile(t *testing.T, when faults.When, args []string) (*e2etest.Run, e2etest.Held) {
	t.Helper()
	return s.held(t, s.admin, faults.Rule{When: when, Match: faults.Match{Action: "ImportKeyMaterial"}, Nth: 4}, args...)
}

// Killed amid a list, with several keys under way, and started again: one key a row.
func TestListKilledAndRunAgain(t *testing.T) {
	t.Parallel()
	for _, when := range []faults.When{faults.Before, faults.After} {
		t.Run(fmt.Sprint(when), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, softtoken.SoftHSM)
			args, names := s.list(t, 12)
			run, held := s.heldWhile(t, when, args)
			kill(t, run)
			held.Remove(t)
			out := s.Run(t, args...)
			if count := states(t, out); out.Code != 0 || count["done"]+count["before"] != 12 {
				t.Fatalf("%v: %s", count, out)
			}
			s.judge(t, names...)
			s.auditHolds(t)
		})
	}
}

// Interrupted, it finishes what is under way, says what is left, and ends with 3.
func TestListInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	args, names := s.list(t, 12)
	run, held := s.heldWhile(t, faults.Before, args)
	fatal(t, run.Cmd.Process.Signal(syscall.SIGINT))
	held.Remove(t)
	out := run.Wait()
	count := states(t, out)
	if out.Code != 3 || count["left"] == 0 || count["done"]+count["begun"] == 0 || count["failed"] != 0 || count["done"]+count["begun"]+count["left"] != 12 {
		t.Fatalf("%v: %s", count, out)
	}
	left := s.Run(t, "operation", "list", "--unfinished", "--output", "json")
	var unfinished []any
	fatal(t, json.Unmarshal([]byte(left.Stdout), &unfinished))
	if len(unfinished) != count["begun"] { // brought, and its proof by importing again was to come after all others
		t.Errorf("%v, and left unfinished: %s", count, left)
	}
	if again := s.Run(t, args...); again.Code != 0 || states(t, again)["before"] != count["done"] {
		t.Fatal(again)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}
