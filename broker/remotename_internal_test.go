package broker

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// clouds are the rules of the three clouds, with the patterns names stand in.
var clouds = map[string]NameRule{
	"alias/{name}":  {Pattern: `alias/[a-zA-Z0-9/_-]+`, Max: 256, Keeps: "/_"},
	"{name}":        {Pattern: `[a-zA-Z0-9_-]{1,63}`, Max: 63, Keeps: "_"},
	"kf-{name}-key": {Pattern: `[0-9a-zA-Z-]{1,127}`, Max: 127},
}

func TestNamesFitEveryCloud(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9](?:[a-zA-Z0-9_-]|[./][a-zA-Z0-9_-]){0,198}`).Filter(func(s string) bool { return CheckKeyName(s) == nil }).Draw(rt, "name")
		for pattern, rule := range clouds {
			got := rule.fit(pattern, name)
			if !rule.Allows(got) {
				rt.Fatalf("%q in %s became %q, which is not allowed", name, pattern, got)
			}
			if got != rule.fit(pattern, name) {
				rt.Fatalf("%q fits in two ways", name)
			}
			if whole := expandName(pattern, name); rule.Allows(whole) && got != whole {
				rt.Fatalf("%q became %q without need", name, got)
			}
		}
	})
}

func TestChangedNamesStayApart(t *testing.T) {
	t.Parallel()
	rule := clouds["{name}"]
	seen := map[string]string{}
	for _, name := range []string{"a/b", "a.b", "a-b", "a_b", strings.Repeat("x", 80), strings.Repeat("x", 81), "pay/" + strings.Repeat("y", 90)} {
		got := rule.fit("{name}", name)
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q are both %q", name, other, got)
		}
		seen[got] = name
	}
	if got := rule.fit("{name}", "payments/db"); !strings.HasPrefix(got, "payments-db-") || len(got) != len("payments-db-")+nameHash {
		t.Errorf("payments/db became %q", got)
	}
}

func TestTagsAreHeldToTheRule(t *testing.T) {
	t.Parallel()
	rule := TagRule{Max: 2, Name: `[a-zA-Z-]{1,9}`, Value: `[a-z0-9]*`, Reserved: []string{"Own-"}}
	for want, tags := range map[string]map[string]string{
		"":                                     {"team": "a1", "owner": ""},
		"there are 3, and there is room for 2": {"a": "", "b": "", "c": ""},
		`the name "te am"`:                     {"te am": "x"},
		`the value "A" of "team"`:              {"team": "A"},
		`the name ""`:                          {"": "x"},
		`"own-x" begins with Own-`:             {"own-x": "b"},
		`"OWN-" begins with Own-`:              {"OWN-": "b"},
	} {
		if got := rule.Refuses(tags); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", tags, got, want)
		}
	}
	if got := (TagRule{}).Refuses(map[string]string{"any": "Thing"}); got != "" {
		t.Errorf("no rule refuses %q", got)
	}
}

func TestAReservedNameStaysAndIsNotAllowed(t *testing.T) {
	t.Parallel()
	rule := NameRule{Pattern: `[a-z-]+`, Max: 20, Reserved: []string{"kept"}}
	for name, want := range map[string]bool{"kept": false, "kept-too": true, "a": true} {
		if got := rule.fit("{name}", name); got != name || rule.Allows(got) != want {
			t.Errorf("%s became %s, allowed %v", name, got, rule.Allows(got))
		}
	}
	if rule.Pattern = `[a-zA-Z-]+`; rule.Allows("Kept") {
		t.Error("a reserved name is allowed in upper case")
	}
}
