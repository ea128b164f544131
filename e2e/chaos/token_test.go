package chaos_test

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

// objects are what the token keeps, by label, as OpenSC's tool lists them.
func (w *world) objects(t *testing.T) map[string][]string {
	t.Helper()
	pin, err := os.ReadFile(w.token.PINFile)
	fatal(t, err)
	tool := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", w.token.Module, "--token-label", "chaos",
		"--login", "--pin", strings.TrimSpace(string(pin)), "--list-objects")
	tool.Env = w.env
	text, err := tool.Output()
	if err != nil {
		why, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("list objects: %v\n%s", err, why.Stderr)
	}
	found, class := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
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
