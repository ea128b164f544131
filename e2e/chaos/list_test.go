package chaos_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
)

// row is one key that the program is asked for: what the test knows of it by itself.
type row struct {
	name, spec, policy, retain string
	targets                    []string
}

// pair reports whether it is a pair of keys, which a token keeps as two objects.
func (r row) pair() bool { return r.policy == "pairs" }

// rowOf is a key of a spec. retain is what becomes of the token's copy.
func rowOf(name, spec, retain string) row {
	switch {
	case strings.HasPrefix(spec, "hmac"):
		return row{name, spec, "macs", retain, []string{"aws", "gcp"}}
	case strings.HasPrefix(spec, "aes"):
		return row{name, spec, "secrets", retain, []string{"aws", "gcp", "pool"}}
	default:
		return row{name, spec, "pairs", retain, e2etest.Targets()}
	}
}

// list is a list of keys in a file.
type list struct {
	path   string
	rows   []row
	atOnce int // keys at every target; 0 is as many as usual
}

// rowsOfList is how many keys a list has: more than a few kills get through.
const rowsOfList = 9

// list writes a list of keys, their specs in turn and for each turn a retain, and puts
// them among what the world was asked for.
func (w *world) list(t *testing.T, retains []string) list {
	t.Helper()
	specs := specsOf(w.kind)
	l := list{path: filepath.Join(w.Dir, fmt.Sprintf("keys-%d.csv", len(w.rows)))}
	var text strings.Builder
	text.WriteString("name,spec,policy,retain\r\n")
	for i := range rowsOfList {
		n := len(w.rows) + i
		r := rowOf(fmt.Sprintf("k%d", n), specs[n%len(specs)], retains[n/len(specs)%len(retains)])
		fmt.Fprintf(&text, "%s,%s,%s,%s\r\n", r.name, r.spec, r.policy, r.retain)
		l.rows = append(l.rows, r)
	}
	w.rows = append(w.rows, l.rows...)
	fatal(t, os.WriteFile(l.path, []byte(text.String()), 0o600))
	return l
}

// atOnce is how many keys are under way at a time.
const atOnce = 4

// imports is the command that brings a list.
func (l list) imports() []string {
	return []string{"import", "file", l.path, "--at-once", fmt.Sprint(cmp.Or(l.atOnce, atOnce)), "--reason", "test", "--output", "jsonl"}
}

// answered is a row of the program's answer.
type answered struct{ Key, State, Operation, Reason, Do string }

// answers are the rows of an answer; a killed program may have left half a line.
func answers(o e2etest.Outcome) []answered {
	var out []answered
	for line := range strings.Lines(o.Stdout) {
		var a answered
		if json.Unmarshal([]byte(line), &a) == nil {
			out = append(out, a)
		}
	}
	return out
}

// states counts the rows of an answer by state.
func states(o e2etest.Outcome) map[string]int {
	count := map[string]int{}
	for _, a := range answers(o) {
		count[a.State]++
	}
	return count
}
