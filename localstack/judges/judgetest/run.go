package judgetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Judged is a cloud's emulators and what its table must hold. The table and its
// tests are in the folder of the Go test.
type Judged struct {
	Cloud     string         // in what is said of what it leaves open
	Last      int            // rules are numbered from 1 to this
	Emulators map[string]any // by name, as JSON: how conftest.py finds each
	Env       []string       // of the Python clients, besides PATH and HOME
	NoRefusal []int          // rules that refuse nothing: what must work is all of them
	NoSuccess []int          // rules whose other side is in another rule
}

// Run lets the judges judge, a subtest a row. It fails if they are not installed
// here, unless KEYFERRY_TEST_SKIP names judges.
func Run(t *testing.T, j Judged) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), "judges") {
		t.Skip("KEYFERRY_TEST_SKIP names judges")
	}
	p := findPython(t, j.Env)
	tab := readTable(t, "rules.json")
	for _, complaint := range append(tab.complaints(j.Last, p.collect(t)), tab.onesided(j)...) {
		t.Error(complaint)
	}
	results := judge(t, p, j.Emulators)
	for _, r := range tab.Rows {
		t.Run(fmt.Sprintf("rule %02d/%s", r.Rule, r.Test), func(t *testing.T) {
			if r.Open != "" {
				t.Logf("%s leaves open: %s", j.Cloud, r.Open)
			}
			report(t, tab.Rules[fmt.Sprint(r.Rule)], results[r.Test])
		})
	}
}

func report(t *testing.T, rule string, results []result) {
	t.Helper()
	if len(results) == 0 {
		t.Error("it did not run")
	}
	for _, got := range results {
		if got.Outcome != "passed" {
			t.Errorf("%s\n%s %s:\n%s", rule, got.ID, got.Outcome, got.Text)
		}
	}
}

// judge runs all tests; the results by test.
func judge(t *testing.T, p python, emulators map[string]any) map[string][]result {
	t.Helper()
	text, err := json.Marshal(emulators)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "results")
	p.env = append(slices.Clip(p.env), "JUDGE_EMULATORS="+string(text), "JUDGE_RESULTS="+file)
	out, err := p.pytest(t)
	lines, missing := os.ReadFile(file) //nolint:gosec // the test's own
	if missing != nil {
		t.Fatalf("the judges did not judge: %v\n%s", err, out)
	}
	t.Log(lastLine(out))
	return parse(t, lines)
}
