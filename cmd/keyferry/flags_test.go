package main

import (
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func TestTimesAreReadInEveryForm(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	for text, want := range map[string]time.Time{
		"2027-01-31":                time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00Z":      time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00+02:00": time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
		"90d":                       w.now().Add(90 * 24 * time.Hour),
		"1h30m":                     w.now().Add(90 * time.Minute),
	} {
		plan := asks[broker.Intended](w, "import", "aws", "some/key", "--policy", "payments", "--valid-to", text, "--dry-run")
		if got := plan.Targets[0].ValidTo; !got.Equal(want) {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"31.01.2027", "2027-1-31", "2027-01-31 12:00", "tomorrow", "-1d", "1y"} {
		w.refuses(exitMisused, []string{"import", "aws", "some/key", "--policy", "payments", "--valid-to", text}, "is no time: write 2027-01-31")
	}
}

func TestTagsAndOwnersSelectKeys(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must("import", "aws", "one/key", "--policy", "payments", "--tag", "team=a/b", "--tag", "stage=1")
	w.must("import", "aws", "two/key", "--policy", "payments", "--tag", "team=c", "--owner", "somebody else")
	w.must(args("import aws three/key --policy ending --no-activate")...)
	for line, want := range map[string][]string{
		"":                               {"one/key", "three/key", "two/key"},
		"--tag team=a/b":                 {"one/key"},
		"--tag team=a/b --tag stage=2":   nil,
		"--tag team=a/b,stage=1":         nil, // one value, and not two tags
		"--tag team=c --target aws-test": {"two/key"},
		"--state pre-activation":         {"three/key"},
		"--state active --tag stage=1":   {"one/key"},
		"--state compromised":            nil,
		"--expiring 31d":                 {"three/key"},
		"--expiring 31d --state active":  nil,
	} {
		for _, command := range []string{"key list ", "inventory "} {
			var got []string
			for _, row := range asks[[]map[string]any](w, args(command+line)...) {
				for _, field := range []string{"name", "key"} {
					if name, ok := row[field].(string); ok {
						got = append(got, name)
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s%s lists %q, want %q", command, line, got, want)
			}
		}
	}
	if rows := asks[[]keyRow](w, "key", "list", "--owner", "somebody else"); len(rows) != 1 || rows[0].Name != "two/key" {
		t.Errorf("by owner: %+v", rows)
	}
}

// What is asked for is never left out in silence: who reads the answer would take it for
// an answer to all of the question.
func TestFlagsThatSayNothingAreRefused(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	for line, says := range map[string]string{
		"inventory --orphans --owner team":               "--owner says nothing about --orphans",
		"inventory --orphans --tag a=b":                  "--tag says nothing about --orphans",
		"inventory --orphans --state active":             "--state says nothing about --orphans",
		"inventory --orphans --expiring 90d":             "--expiring says nothing about --orphans",
		"doctor --target aws-test":                       "--target goes with --policy",
		"doctor --proof":                                 "--proof goes with --policy",
		"doctor --policy aws-test --target azure-test":   "--target azure-test says nothing about it",
		"doctor --policy azure-test --target no-such-at": "--target no-such-at says nothing about it",
	} {
		w.refuses(exitMisused, args(line), says)
	}
	w.must(args("inventory --orphans --target aws-test")...)
	w.must(args("doctor --policy aws --target aws-test")...)
	w.must(args("doctor --policy aws-test --target aws-test")...)
}
