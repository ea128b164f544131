package judges_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lastRule is the number of rules of what a faithful AWS KMS emulator must do.
const lastRule = 31

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
	Open    string `json:"open"`    // what of it AWS leaves open; "" nothing
}

func readTable(t *testing.T, file string) table {
	t.Helper()
	text, err := os.ReadFile(file)
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

func TestTableComplains(t *testing.T) {
	t.Parallel()
	good := func() table {
		return table{
			Rules: map[string]string{"1": "one", "2": "two"},
			Rows:  []row{{Rule: 1, Test: "a.test_one"}, {Rule: 2, Test: "a.test_two"}},
		}
	}
	tests := []string{"a.test_one", "a.test_two"}
	if got := good().complaints(2, tests); len(got) != 0 {
		t.Errorf("a whole table: %q", got)
	}
	for want, spoil := range map[string]func(*table, *[]string){
		"rule 2 has no title or no row":       func(tab *table, _ *[]string) { tab.Rows = tab.Rows[:1] },
		"rule 1 has no title or no row":       func(tab *table, _ *[]string) { delete(tab.Rules, "1") },
		"there is no rule 3":                  func(tab *table, _ *[]string) { tab.Rows[1].Rule = 3 },
		"a.test_one has two rows":             func(tab *table, _ *[]string) { tab.Rows[1].Test = "a.test_one" },
		"rule 2: there is no test a.test_two": func(_ *table, tests *[]string) { *tests = (*tests)[:1] },
		"a.test_three is in no row":           func(_ *table, tests *[]string) { *tests = append(*tests, "a.test_three") },
		"3 titles for 2 rules":                func(tab *table, _ *[]string) { tab.Rules["3"] = "three" },
	} {
		tab, found := good(), slices.Clone(tests)
		spoil(&tab, &found)
		if got := tab.complaints(2, found); !slices.Contains(got, want) {
			t.Errorf("complains %q, not %q", got, want)
		}
	}
}

// TestEveryRuleHasBothSides holds the table to both sides: a rule that
// refuses has a row that sees it, and no rule has refusals alone.
func TestEveryRuleHasBothSides(t *testing.T) {
	t.Parallel()
	works, refuses := map[int]bool{}, map[int]bool{}
	for _, r := range readTable(t, "rules.json").Rows {
		if r.Refusal == "" {
			works[r.Rule] = true
		} else {
			refuses[r.Rule] = true
		}
	}
	// What must work in these is the rule itself: it refuses nothing.
	shown := []int{21}
	for n := 1; n <= lastRule; n++ {
		if !works[n] && n != 16 { // what is new is imported under rule 15
			t.Errorf("rule %d: no row of what must work", n)
		}
		if !refuses[n] && !slices.Contains(shown, n) {
			t.Errorf("rule %d: no row of what must be refused", n)
		}
	}
}

// short is a pytest id as the table names it: file.function, without parameters.
func short(id string) string {
	id, _, _ = strings.Cut(id, "[")
	file, function, _ := strings.Cut(id, "::")
	return strings.TrimSuffix(file[strings.LastIndex(file, "/")+1:], ".py") + "." + function
}

func TestShort(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"test_wire.py::test_unsigned":               "test_wire.test_unsigned",
		"localstack/judges/test_a.py::test_b[x::y]": "test_a.test_b",
	} {
		if got := short(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
