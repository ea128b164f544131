package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

func TestFlagsStandBeforeAndAfterNames(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	w.must(args("import aws payments/db --policy payments")...)
	want := w.must(args("key show payments/db --output json")...).out
	if !strings.HasPrefix(want, "{") {
		t.Fatalf("the answer is no JSON:\n%s", want)
	}
	for _, line := range []string{
		"key show --output json payments/db",
		"key show payments/db --output=json",
		"key --output json show payments/db",
		"--output json key show payments/db",
		"-o json key show payments/db",
		"key show -o=json payments/db",
		"key show payments/db -output json",
		"--config " + w.config + " key show payments/db --output json",
		"key show --output json -- payments/db",
	} {
		if got := w.must(args(line)...).out; got != want {
			t.Errorf("keyferry %s says\n%s", line, got)
		}
	}
}

func TestWhatLooksLikeAFlagAndIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	for line, want := range map[string]string{
		"key show payments/db --formt json":          "keyferry key show has no flag --formt",
		"key show payments/db --outputt json":        "did you mean --output?",
		"key show payments/db --reason x":            "keyferry key show has no flag --reason",
		"key --nonsense list":                        "there is no flag --nonsense",
		"key show -x payments/db":                    "has no flag --x",
		"key show payments/db --output":              "flag --output needs a value",
		"key show -- --output":                       "not found",
		"keyy list":                                  `keyferry has no command "keyy"; did you mean key?`,
		"key lst":                                    `keyferry key has no command "lst"; did you mean list?`,
		"frobnicate":                                 `keyferry has no command "frobnicate"; there are init, config`,
		"key":                                        "keyferry key needs one of list, show, versions",
		"key show":                                   "NAME of a key is missing",
		"key show one two":                           `"two" is too much`,
		"version extra":                              `"extra" is too much`,
		"operation list --limit many":                "invalid value",
		"operation list --limit -1":                  "less than nothing",
		"operation list --state done":                `--state: "done" is unknown`,
		"operation list --state failed --unfinished": "exclude each other",
		"key list --output xml":                      `--output: "xml" is unknown; there are table, json`,
		"key list --output jsn":                      "did you mean json?",
		"key list --state activ":                     "did you mean active?",
		"key list --tag nothing":                     "is not NAME=VALUE",
		"key list --tag a=1 --tag a=2":               `"a" is there twice`,
		"inventory --expiring soon":                  "is not a duration like 90d",
		"inventory --target aws-tset":                "did you mean aws-test?",
		"completion tcsh":                            `shell "tcsh" is unknown`,
		"doctor --policy awz":                        "did you mean aws?",
		"doctor --policy aws --target nowhere":       "find target nowhere",
		"import ibm x":                               `keyferry import has no command "ibm"`,
		"import aws x --spec aes-265":                "did you mean aes-256?",
		"import aws x --purpose cook":                `--purpose: "cook" is unknown`,
		"import aws x --retain ever":                 `--retain: "ever" is unknown`,
		"import aws x --valid-to never":              `"never" is no time`,
		"import aws x --tag a":                       "is not NAME=VALUE",
		"activate x --number one":                    "invalid value",
		"operation abort x --reason r --window z":    "is not a duration",
	} {
		s := w.run(args(line)...)
		if s.code == exitDone || !strings.Contains(s.stderr, want) || s.out != "" {
			t.Errorf("keyferry %s: %s\nwant: %s", line, s, want)
		}
		if s.code != exitMisused && !strings.Contains(want, "not found") && !strings.Contains(s.stderr, "not found") {
			t.Errorf("keyferry %s: code %d", line, s.code)
		}
	}
}

func TestNamesThatWouldBreakSomethingAreRefused(t *testing.T) {
	t.Parallel()
	w := enrolledWorld(t, "test")
	before := len(asks[[]broker.Entry](w, "audit", "list"))
	for _, name := range []string{"../x", "/x", "x/", "a//b", "a b", "schlüssel", strings.Repeat("n", 300), "x\n", "-"} {
		w.refuses(exitMisused, []string{"import", "aws", name, "--spec", "aes-256", "--target", "aws-test"}, "changed: nothing", "use letters, digits")
	}
	w.refuses(exitMisused, []string{"import", "aws", "", "--spec", "aes-256"}, "a name is empty")
	if after := len(asks[[]broker.Entry](w, "audit", "list")); after != before {
		t.Errorf("the audit grew by %d", after-before)
	}
}

func TestHelpIsThereHoweverItIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	for line, want := range map[string]string{
		"":                        "keyferry init",
		"help":                    "COMMANDS:",
		"--help":                  "COMMANDS:",
		"-h":                      "COMMANDS:",
		"help key":                "keyferry key",
		"key --help":              "versions",
		"help import aws":         "--no-activate",
		"import aws NAME --help":  "Examples:",
		"import aws --help --yes": "Examples:",
		"--version":               "go1.",
	} {
		s := w.must(args(line)...)
		if !strings.Contains(s.out, want) || s.stderr != "" {
			t.Errorf("keyferry %s says\n%s", line, s)
		}
	}
}

// TestAFlagMeansTheSameEverywhere: the command line is taken apart before its
// command is known.
func TestAFlagMeansTheSameEverywhere(t *testing.T) {
	t.Parallel()
	takes := map[string]bool{}
	each(newProgram().app().Commands, func(_ string, c *cli.Command) {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				if before, there := takes[name]; there && before != takesValue(f) {
					t.Errorf("--%s takes a value in one command and none in another", name)
				}
				takes[name] = takesValue(f)
			}
		}
	})
}

// each calls f for every leaf.
func each(group []*cli.Command, f func(path string, c *cli.Command)) {
	var visit func(string, []*cli.Command)
	visit = func(path string, group []*cli.Command) {
		for _, c := range group {
			if len(c.Subcommands) == 0 {
				f(path+c.Name, c)
			}
			visit(path+c.Name+" ", c.Subcommands)
		}
	}
	visit("", group)
}

func TestOrderOfFlagsNeverMatters(t *testing.T) {
	t.Parallel()
	app := newProgram().app()
	pieces := [][]string{{"--output", "json"}, {"--config=x"}, {"--verbose"}, {"--tag", "a=b"}, {"--yes"}}
	rapid.Check(t, func(t *rapid.T) {
		words := []string{"import", "aws", "some/name"}
		for _, p := range pieces {
			at := rapid.IntRange(0, len(words)).Draw(t, "at")
			for at > 0 && at < len(words) && takesNext(words[at-1]) {
				at++
			}
			words = slices.Insert(words, at, p...)
		}
		got, err := arrange(app, words)
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		if tail := got[len(got)-2:]; tail[0] != "--" || tail[1] != "some/name" || !slices.Equal(got[:3], []string{"keyferry", "import", "aws"}) {
			t.Fatalf("%v became %v", words, got)
		}
		for _, p := range pieces {
			if i := slices.Index(got, p[0]); i < 3 || len(p) > 1 && got[i+1] != p[1] {
				t.Fatalf("%v became %v", words, got)
			}
		}
	})
}

func takesNext(word string) bool { return word == "--output" || word == "--tag" }

func FuzzArrange(f *testing.F) {
	for _, line := range []string{"key list", "--output json key show x", "-- x", "import aws --tag", "help", "- --", "key --help x", "--=", "---"} {
		f.Add(line)
	}
	app := newProgram().app()
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		got, err := arrange(app, words)
		if err != nil {
			if !errors.Is(err, broker.Misuse) {
				t.Fatalf("%q: %v", words, err)
			}
			return
		}
		if len(got) == 0 || got[0] != "keyferry" {
			t.Fatalf("%q became %q", words, got)
		}
	})
}
