package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func completions(words ...string) []string {
	var out bytes.Buffer
	p := newProgram()
	p.stdout = &out
	p.complete(p.app(), words)
	return strings.Fields(out.String())
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words []string
		want  []string // all of these, and with exactly nothing else
		exact bool
	}{
		{nil, []string{"init", "import", "audit"}, false},
		{[]string{"k"}, []string{"key"}, true},
		{[]string{"key", ""}, []string{"list", "show", "versions"}, true},
		{[]string{"key", "s"}, []string{"show"}, true},
		{[]string{"--config", "x", "key", "v"}, []string{"versions"}, true},
		{[]string{"import", ""}, []string{"aws", "gcp", "azure", "all", "file"}, true},
		{[]string{"import", "all", "--t"}, []string{"--tag", "--ticket"}, true}, // the policy says which targets
		{[]string{"import", "gcp", "name", "--ob"}, []string{"--object"}, true},
		{[]string{"import", "aws", "name", "--no"}, []string{"--no-activate"}, true},
		{[]string{"import", "aws", "--"}, []string{"--policy", "--valid-to", "--output", "--help"}, false},
		{[]string{"key", "list", "--output", ""}, formats(), true},
		{[]string{"key", "list", "-o", "j"}, []string{"json", "jsonl"}, true},
		{[]string{"key", "list", "--owner", ""}, nil, true},
		{[]string{"key", "show", ""}, nil, true},
		{[]string{"nonsense", ""}, nil, true},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}, true},
		{[]string{"-"}, []string{"--config", "--output"}, false},
	} {
		got := completions(c.words...)
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%q completes to %q, without %s", c.words, got, want)
			}
		}
		if c.exact && len(got) != len(c.want) {
			t.Errorf("%q completes to %q, want %q", c.words, got, c.want)
		}
	}
}

// TestBashCompletes runs the script in a shell, with this binary as keyferry.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("bash is needed: ", err)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "keyferry")); err != nil {
		t.Fatal(err)
	}
	script := `source <(keyferry completion bash)
COMP_WORDS=(keyferry key list --output j); COMP_CWORD=4
_keyferry
printf '%s\n' "${COMPREPLY[@]}"`
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "json\njsonl\n" {
		t.Errorf("bash says %q, %v", out, err)
	}
}
