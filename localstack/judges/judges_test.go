package judges_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

// result is a line of what conftest.py writes.
type result struct {
	ID      string  `json:"id"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text"`
}

// TestAWS lets boto3 judge the AWS emulator by every row of the table.
func TestAWS(t *testing.T) {
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), "judges") {
		t.Skip("KEYFERRY_TEST_SKIP names judges")
	}
	python := findPython(t)
	tab := readTable(t, "rules.json")
	for _, complaint := range tab.complaints(lastRule, collect(t, python)) {
		t.Error(complaint)
	}
	results := judge(t, python)
	for _, r := range tab.Rows {
		t.Run(fmt.Sprintf("rule %02d/%s", r.Rule, r.Test), func(t *testing.T) {
			report(t, tab, r, results[r.Test])
		})
	}
}

func report(t *testing.T, tab table, r row, results []result) {
	t.Helper()
	if r.Open != "" {
		t.Logf("AWS leaves open: %s", r.Open)
	}
	if len(results) == 0 {
		t.Error("it did not run")
	}
	for _, got := range results {
		if got.Outcome != "passed" {
			t.Errorf("%s\n%s %s:\n%s", tab.Rules[fmt.Sprint(r.Rule)], got.ID, got.Outcome, got.Text)
		}
	}
}

// findPython is that of install-judges.sh.
func findPython(t *testing.T) string {
	t.Helper()
	venv, err := filepath.Abs("../../.cache/judges-venv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(venv, "stamp")); err != nil { // written last
		t.Fatalf("the judges are not installed here: run `make setup`: %v", err)
	}
	return filepath.Join(venv, "bin", "python")
}

// collect names the tests there are.
func collect(t *testing.T, python string) []string {
	t.Helper()
	out, err := pytest(t, python, nil, "--collect-only")
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

// judge runs all tests against emulators of their own; the results by test.
func judge(t *testing.T, python string) map[string][]result {
	t.Helper()
	emulators := map[string]place{
		"reusing": start(t, awsemu.Config{Now: time.Now, PoolDir: "../../.cache/wrapping-keys", ReuseWrappingKeys: true}),
		"fresh":   start(t, awsemu.Config{Now: time.Now}),
	}
	text, err := json.Marshal(emulators)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "results")
	out, err := pytest(t, python, []string{"JUDGE_EMULATORS=" + string(text), "JUDGE_RESULTS=" + file})
	lines, missing := os.ReadFile(file)
	if missing != nil {
		t.Fatalf("the judges did not judge: %v\n%s", err, out)
	}
	t.Log(lastLine(out))
	return parse(t, lines)
}

// place is where conftest.py finds an emulator. The secret is that of a test key.
type place struct {
	URL     string `json:"url"`
	TLSURL  string `json:"tls_url"`
	CA      string `json:"ca"`
	Admin   string `json:"admin"`
	Account string `json:"account"`
	KeyID   string `json:"key_id"`
	Secret  string `json:"secret"`
}

func start(t *testing.T, c awsemu.Config) place {
	t.Helper()
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	srv, err := awsemu.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	key := srv.Credentials()
	return place{
		URL: srv.URL(), TLSURL: srv.TLSURL(), CA: c.CAFile, Admin: srv.AdminURL(),
		Account: srv.Account(), KeyID: key.ID, Secret: key.Secret,
	}
}

// pytest runs it here with nothing of the caller's environment but PATH.
func pytest(t *testing.T, python string, env []string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"-B", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"}, args...)
	cmd := exec.CommandContext(t.Context(), python, args...)
	home := t.TempDir()
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+home, "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1")
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

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}
