package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
	cloud "github.com/keyferry/keyferry/providers/memory"
)

// TestDocsAreMadeFromTheCommands writes docs/cli.md with UPDATE=1, and holds it
// against the commands without.
func TestDocsAreMadeFromTheCommands(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	out.WriteString(docsHead)
	app := newProgram().app()
	each(app.Commands, func(path string, c *cli.Command) {
		fmt.Fprintf(&out, "- [keyferry %s](#%s): %s\n", path, anchor(path), c.Usage)
	})
	each(app.Commands, func(path string, c *cli.Command) { page(&out, path, c) })
	golden(t, "../../docs/cli.md", out.Bytes())
}

const docsHead = `# keyferry: every command

<!-- Made from the commands by UPDATE=1 go test ./cmd/keyferry -run Docs; do not edit. -->

Flags may stand before and after names; what looks like a flag and is none is an error.
The answer goes to stdout, everything else to stderr. ` + "`--output`" + ` gives every answer as table, json, jsonl, csv or yaml, all from one value; JSON names never change.

| exit code | means |
|---|---|
| 0 | done, also when it was done before |
| 1 | failed, and nothing was changed or left behind |
| 2 | misused: flags, names, config; production without ` + "`--yes`" + ` where nobody can be asked |
| 3 | partly done: something was changed or left behind, and the message says what and how to go on |

An error says what happened, to what, and why; then ` + "`changed:`" + ` and ` + "`do:`" + `.
The first SIGINT or SIGTERM stops at the next safe point and says what is left; the second stops at once. Whatever was begun goes on when the command is run again, or with ` + "`keyferry operation resume`" + `.

These flags are on every command:

| flag | |
|---|---|
` + "| `--config FILE` | the config; else KEYFERRY_CONFIG, ./keyferry.yaml, ~/.config/keyferry/keyferry.yaml |\n" +
	"| `--output FORMAT`, `-o` | table, json, jsonl, csv, yaml |\n| `--verbose` | tell more on stderr |\n| `--help`, `-h` | |\n\n"

func anchor(path string) string { return "keyferry-" + strings.ReplaceAll(path, " ", "-") }

func page(out *bytes.Buffer, path string, c *cli.Command) {
	about, examples, _ := strings.Cut(c.Description, "Examples:\n")
	fmt.Fprintf(out, "\n## keyferry %s\n\n%s.\n", path, upper(c.Usage))
	if about = strings.TrimSpace(about); about != "" {
		fmt.Fprintf(out, "\n%s\n", about)
	}
	fmt.Fprintf(out, "\n```\nkeyferry %s\n```\n", strings.TrimSpace(path+" "+c.ArgsUsage))
	if own := c.Flags[:len(c.Flags)-len(commonFlags())]; len(own) > 0 {
		out.WriteString("\n| flag | |\n|---|---|\n")
		for _, f := range own {
			row(out, f)
		}
	}
	fmt.Fprintf(out, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(examples), "\n  ", "\n"))
}

func row(out *bytes.Buffer, f cli.Flag) {
	d := f.(cli.DocGenerationFlag)
	placeholder, usage := "", d.GetUsage()
	if m := regexp.MustCompile("`([^`]+)`").FindStringSubmatch(usage); m != nil {
		placeholder, usage = " "+m[1], strings.Replace(usage, m[0], m[1], 1)
	} else if d.TakesValue() {
		placeholder = " VALUE"
	}
	if v := strings.Trim(d.GetValue(), `"`); v != "" && d.TakesValue() && v != "0" {
		usage += " (default: " + v + ")"
	}
	fmt.Fprintf(out, "| `--%s%s` | %s |\n", f.Names()[0], placeholder, strings.ReplaceAll(usage, "|", "\\|"))
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// TestEveryExampleRuns: what only looks in one world, every change in a world of
// its own; the names that examples use are there.
func TestEveryExampleRuns(t *testing.T) {
	t.Parallel()
	looking := exampleWorld(t)
	each(newProgram().app().Commands, func(path string, c *cli.Command) {
		for _, example := range examplesOf(t, path, c) {
			if !hasFlag(c, "dry-run") {
				looking.example(t, example)
				continue
			}
			t.Run(example, func(t *testing.T) {
				t.Parallel()
				exampleWorld(t).example(t, example)
			})
		}
	})
}

func examplesOf(t *testing.T, path string, c *cli.Command) []string {
	t.Helper()
	_, text, _ := strings.Cut(c.Description, "Examples:\n")
	var examples []string
	for line := range strings.Lines(text) {
		example := strings.TrimSpace(line)
		if !strings.HasPrefix(example, "keyferry "+path) {
			t.Errorf("keyferry %s has the example %q", path, example)
		}
		examples = append(examples, example)
	}
	if len(examples) == 0 {
		t.Errorf("keyferry %s has no example", path)
	}
	return examples
}

// split does what a shell does with quotes.
func split(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}

// exampleWorld has keys that are active, staged, and half imported.
func exampleWorld(t *testing.T) *world {
	t.Helper()
	w := cloudsWorld(t)
	w.plants("aws-test", cloud.Plant{Effect: "kf-lost", In: broker.PrepareIn{Name: "lost/db", KeyID: "lost", Spec: broker.AES256, Purpose: broker.Encrypt}})
	w.ok(w.token.Plant(hsm.Planted{ID: exampleObject, Spec: broker.AES256}))
	if err := w.token.Plant(hsm.Planted{ID: "their-key", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}}); err != nil {
		t.Fatal(err)
	}
	w.file("keys.yaml", "keys:\n  - {name: listed/one}\n  - {name: listed/two, tags: {team: ops}}\n")
	w.file("keys.csv", "name,spec,tags\nlisted/three,hmac-256,\nlisted/four,ec-p256,team=ops\n")
	text, _ := wrappingKeyPEM(t)
	w.file("wrapping-key.pem", text)
	w.must(args("import aws payments/db --policy payments")...)
	w.must(args("import aws signing/release --spec ec-p384 --target aws-test --tag team=release")...)
	w.failing("wrapping-key", 1, broker.Denied)
	w.refuses(exitPartly, args("import aws half/done --policy payments"))
	w.fault = nil
	w.must(args("import aws kept/db --spec aes-256 --target aws-test --retain wrapped")...)
	w.must(args("import aws staged/db --policy payments --no-activate")...)
	return w
}

// example runs one, with what is really there for what it stands for.
func (w *world) example(t *testing.T, line string) {
	t.Helper()
	words := split(t, line)
	for i, word := range words {
		switch {
		case word == exampleID:
			words[i] = asks[[]operationRow](w, "operation", "list", "--key", "half/done")[0].ID
		case word == exampleOrphan:
			words[i] = asks[[]broker.Orphan](w, "inventory", "--orphans", "--target", "aws-test")[0].Key.ID
		case word == exampleHead:
			words[i] = asks[headShown](w, "audit", "head").Head
		case word == exampleFingerprint:
			_, words[i] = wrappingKeyPEM(t)
		case strings.HasSuffix(word, ".db"), strings.HasPrefix(word, "./"):
			words[i] = w.dir + "/" + strings.TrimPrefix(word, "./")
		}
	}
	want := exitDone
	if strings.HasPrefix(line, "keyferry verify --all") {
		want = exitPartly // half/done does not hold
	}
	if s := w.run(words[1:]...); s.code != want || s.out == "" {
		t.Errorf("%s: %s", line, s)
	}
}
