package e2etest

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var (
	objectLine = regexp.MustCompile(`^(Private Key|Public Key|Secret Key|Data|Certificate) [Oo]bject`)
	labelLine  = regexp.MustCompile(`^\s+label:\s+'?(.*?)'?$`)
)

// Tool logs in to the token with OpenSC's tool, as its owners do, and returns what that
// prints.
func (s *Site) Tool(t *testing.T, args ...string) string {
	t.Helper()
	pin, err := os.ReadFile(s.Token.PINFile)
	fatal(t, err)
	tool := exec.CommandContext(t.Context(), "pkcs11-tool", append([]string{ //nolint:gosec // the test's own
		"--module", s.Token.Module, "--token-label", Label, "--login", "--pin", strings.TrimSpace(string(pin)),
	}, args...)...)
	tool.Env = s.Env
	text, err := tool.Output()
	if err != nil {
		why, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("pkcs11-tool %v: %v\n%s", args, err, why.Stderr)
	}
	return string(text)
}

// Objects are what the token keeps: the classes by label.
func (s *Site) Objects(t *testing.T) map[string][]string {
	t.Helper()
	found, class := map[string][]string{}, ""
	for line := range strings.Lines(s.Tool(t, "--list-objects")) {
		line = strings.TrimRight(line, "\r\n")
		if at := objectLine.FindStringSubmatch(line); at != nil {
			class = at[1]
		} else if label := labelLine.FindStringSubmatch(line); label != nil && class != "" {
			found[label[1]] = append(found[label[1]], class)
			class = ""
		}
	}
	return found
}
