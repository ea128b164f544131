package judgetest

import (
	"slices"
	"testing"
)

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

func TestBothSidesAreShown(t *testing.T) {
	t.Parallel()
	tab := table{Rows: []row{{Rule: 1, Refusal: "No"}, {Rule: 1}, {Rule: 2}, {Rule: 3, Refusal: "No"}}}
	if got := tab.onesided(Judged{Last: 3, NoRefusal: []int{2}, NoSuccess: []int{3}}); len(got) != 0 {
		t.Errorf("excused, and complains %q", got)
	}
	want := []string{
		"rule 2: a row of what must be refused, or none and no excuse", "rule 3: a row of what must work, or none and no excuse",
	}
	if got := tab.onesided(Judged{Last: 3}); !slices.Equal(got, want) {
		t.Errorf("complains %q, not %q", got, want)
	}
	if got := tab.onesided(Judged{Last: 3, NoRefusal: []int{1, 2}, NoSuccess: []int{3}}); len(got) != 1 {
		t.Errorf("an excuse that none needs: %q", got)
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"test_wire.py::test_unsigned":                   "test_wire.test_unsigned",
		"localstack/judges/aws/test_a.py::test_b[x::y]": "test_a.test_b",
	} {
		if got := short(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
