package judgetest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// result is a line of what judging.py writes.
type result struct {
	ID      string  `json:"id"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text"`
}

// python is that of install-judges.sh.
type python struct {
	path string
	env  []string
}

// findPython finds it from a cloud's folder.
func findPython(t *testing.T, env []string) python {
	t.Helper()
	venv, err := filepath.Abs("../../../.cache/judges-venv")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Abs("../shared")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(venv, "stamp")); err != nil { // written last
		t.Fatalf("the judges are not installed here: run `make setup`: %v", err)
	}
	own := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NO_PROXY=127.0.0.1,localhost", "PYTHONPATH=" + shared}
	return python{path: filepath.Join(venv, "bin", "python"), env: append(own, env...)}
}

// collect names the tests there are.
func (p python) collect(t *testing.T) []string {
	t.Helper()
	out, err := p.pytest(t, "--collect-only")
	if err != nil {
		t.Fatalf("collect the judges' tests: %v\n%s", err, out)
	}
	var names []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "::") {
			names = append(names, short(strings.TrimSpace(line)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// pytest runs it here with nothing of the caller's environment but PATH.
func (p python) pytest(t *testing.T, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"-B", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "judging"}, args...)
	cmd := exec.CommandContext(t.Context(), p.path, args...) //nolint:gosec // what install-judges.sh made
	cmd.Env = p.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func parse(t *testing.T, lines []byte) map[string][]result {
	t.Helper()
	results := map[string][]result{}
	for line := range bytes.Lines(lines) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("read a result %q: %v", line, err)
		}
		results[short(r.ID)] = append(results[short(r.ID)], r)
	}
	return results
}

// short is a pytest id as the table names it: file.function, without parameters.
func short(id string) string {
	id, _, _ = strings.Cut(id, "[")
	file, function, _ := strings.Cut(id, "::")
	return strings.TrimSuffix(file[strings.LastIndex(file, "/")+1:], ".py") + "." + function
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}
