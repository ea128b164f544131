package judgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
)

// table is rules.json: each rule, and the tests that judge it.
type table struct {
	Source string            `json:"source"`
	Rules  map[string]string `json:"rules"` // number to title
	Rows   []row             `json:"rows"`
}

// row is one test of a rule.
type row struct {
	Rule    int    `json:"rule"`
	Test    string `json:"test"`    // file.function
	Refusal string `json:"refusal"` // error code it must see, several with |; "" for what must work
	Open    string `json:"open"`    // what of it the cloud leaves open; "" nothing
}

func readTable(t *testing.T, file string) table {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var out table
	if err := d.Decode(&out); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return out
}

// complaints says what is missing or too much in the table, with these tests
// found beside it.
func (tab table) complaints(last int, tests []string) []string {
	var out []string
	complain := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	rows, rules := map[string]bool{}, map[int]bool{}
	for _, r := range tab.Rows {
		if rows[r.Test] {
			complain("%s has two rows", r.Test)
		}
		if !slices.Contains(tests, r.Test) {
			complain("rule %d: there is no test %s", r.Rule, r.Test)
		}
		rows[r.Test], rules[r.Rule] = true, true
	}
	for n := 1; n <= last; n++ {
		if tab.Rules[strconv.Itoa(n)] == "" || !rules[n] {
			complain("rule %d has no title or no row", n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(rules)) {
		if n < 1 || n > last {
			complain("there is no rule %d", n)
		}
	}
	for _, test := range tests {
		if !rows[test] {
			complain("%s is in no row", test)
		}
	}
	if len(tab.Rules) != last {
		complain("%d titles for %d rules", len(tab.Rules), last)
	}
	return out
}

// onesided holds the table to both sides: a rule that refuses has a row that sees
// it, and no rule has refusals alone. What is excused and need not be is told too.
func (tab table) onesided(j Judged) []string {
	works, refuses := map[int]bool{}, map[int]bool{}
	for _, r := range tab.Rows {
		works[r.Rule] = works[r.Rule] || r.Refusal == ""
		refuses[r.Rule] = refuses[r.Rule] || r.Refusal != ""
	}
	var out []string
	for n := 1; n <= j.Last; n++ {
		if works[n] == slices.Contains(j.NoSuccess, n) {
			out = append(out, fmt.Sprintf("rule %d: a row of what must work, or none and no excuse", n))
		}
		if refuses[n] == slices.Contains(j.NoRefusal, n) {
			out = append(out, fmt.Sprintf("rule %d: a row of what must be refused, or none and no excuse", n))
		}
	}
	return out
}
