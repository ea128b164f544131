package arrows_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const ours = "github.com/keyferry/keyferry/"

// An arrow is an import from a file of one folder.
type arrow struct{ from, to, rule string }

// Each of these is refused, by the rule that it names.
var refused = []arrow{
	{"broker/x.go", "github.com/miekg/pkcs11", "broker"},
	{"broker/x.go", ours + "broker/store", "broker"},
	{"broker/x.go", ours + "providers/awskms", "broker"},
	{"broker/x.go", ours + "hsm/pkcs11", "broker"},
	{"broker/x.go", "database/sql", "broker"},
	{"broker/store/x.go", ours + "providers/awskms", "broker-below"},
	{"broker/store/x.go", ours + "hsm/pkcs11", "broker-below"},
	{"broker/api/deep/x.go", ours + "providers/awskms", "broker-below"},
	{"providers/awskms/x.go", ours + "providers/gcpkms", "adapters"},
	{"providers/awskms/x.go", ours + "hsm/pkcs11", "adapters"},
	{"providers/pace/x.go", ours + "providers/awskms", "adapters"},
	{"providers/awskms/x.go", ours + "broker/store", "adapters"},
	{"providers/awskms/x.go", "database/sql", "adapters"},
	{"hsm/pkcs11/x.go", ours + "hsm/memory", "adapters"},
	{"hsm/pkcs11/x.go", ours + "providers/awskms", "adapters"},
	{"hsm/pkcs11/x.go", ours + "broker/store", "adapters"},
	{"hsm/pkcs11/x.go", "database/sql", "adapters"},
	{"hsm/softtoken/x.go", ours + "broker", "softtoken"},
	{"hsm/softtoken/x.go", ours + "hsm/pkcs11", "softtoken"},
	{"hsm/softtoken/x.go", ours + "hsm/memory", "softtoken"},
	{"hsm/softtoken/shim/x_test.go", ours + "providers/awskms", "softtoken"},
	{"localstack/awsemu/x.go", ours + "broker", "localstack"},
	{"localstack/awsemu/x.go", ours + "providers/awskms", "localstack"},
	{"localstack/awsemu/x_test.go", ours + "hsm/pkcs11", "localstack"},
	{"localstack/emu/x.go", ours + "broker", "localstack"},
	{"localstack/emu/x_test.go", ours + "providers/awskms", "localstack"},
	{"localstack/emu/x.go", ours + "localstack/awsemu", "emulators"},
	{"localstack/faults/x.go", ours + "localstack/gcpemu", "emulators"},
	{"localstack/gcpemu/x.go", ours + "localstack/awsemu", "emulators"},
	{"localstack/awsemu/x.go", ours + "localstack/azureemu", "emulators"},
	{"cmd/localclouds/x.go", ours + "broker", "localstack"},
	{"cmd/localclouds/x.go", ours + "providers/awskms", "localstack"},
	{"cmd/localclouds/x.go", ours + "hsm/pkcs11", "localstack"},
	{"broker/store/x.go", ours + "localstack/awsemu", "product"},
	{"providers/awskms/x.go", ours + "localstack/awsemu", "product"},
	{"hsm/pkcs11/x.go", ours + "localstack/awsemu", "product"},
	{"hsm/pkcs11/x.go", ours + "hsm/softtoken", "product"},
	{"cmd/keyferry/x.go", ours + "localstack/awsemu", "product"},
	{"cmd/keyferry/x.go", ours + "hsm/softtoken", "product"},
	{"e2e/x_test.go", ours + "broker", "e2e"},
	{"e2e/x_test.go", ours + "broker/store", "e2e"},
	{"e2e/x_test.go", ours + "providers/awskms", "e2e"},
	{"e2e/x_test.go", ours + "hsm/pkcs11", "e2e"},
	{"e2e/x_test.go", ours + "hsm/memory", "e2e"},
	{"broker/store/x.go", ours + "cmd/keyferry", "cmd"},
	{"providers/awskms/x_test.go", ours + "cmd/keyferry", "cmd"},
	{"hsm/pkcs11/x.go", ours + "cmd/keyferry", "cmd"},
	{"localstack/awsemu/x.go", ours + "cmd/keyferry", "cmd"},
	{"e2e/x_test.go", ours + "cmd/keyferry", "cmd"},
	{"broker/store/x.go", "github.com/miekg/pkcs11", "cgo"},
	{"cmd/keyferry/x.go", "github.com/miekg/pkcs11", "cgo"},
	{"providers/awskms/x.go", "testing", "nontest"},
	{"hsm/pkcs11/x.go", "math/rand", "nontest"},
	{"cmd/keyferry/x.go", "math/rand/v2", "nontest"},
}

// Each of these is how it should be.
var allowed = []arrow{
	{from: "broker/y.go", to: "crypto/sha256"},
	{from: "broker/y_test.go", to: ours + "providers/memory"},
	{from: "broker/store/y.go", to: ours + "broker"},
	{from: "broker/store/y.go", to: "database/sql"},
	{from: "broker/api/y.go", to: ours + "broker/store"},
	{from: "providers/awskms/y.go", to: ours + "broker"},
	{from: "providers/awskms/y.go", to: ours + "providers/internal/endpoint"},
	{from: "providers/awskms/y.go", to: ours + "providers/pace"},
	{from: "providers/awskms/y_test.go", to: ours + "providers/providertest"},
	{from: "providers/awskms/y_test.go", to: ours + "localstack/awsemu"},
	{from: "providers/providertest/y.go", to: "testing"},
	{from: "hsm/pkcs11/y.go", to: ours + "broker"},
	{from: "hsm/pkcs11/y.go", to: "github.com/miekg/pkcs11"},
	{from: "hsm/pkcs11/y_test.go", to: ours + "hsm/softtoken/shim"},
	{from: "hsm/softtoken/shim/y.go", to: ours + "hsm/softtoken"},
	{from: "localstack/awsemu/y.go", to: ours + "localstack/faults"},
	{from: "localstack/awsemu/y.go", to: ours + "localstack/emu"},
	{from: "localstack/awsemu/y_test.go", to: ours + "localstack/emu/emutest"},
	{from: "cmd/keyferry/y.go", to: ours + "providers/awskms"},
	{from: "cmd/keyferry/y.go", to: ours + "hsm/pkcs11"},
	{from: "cmd/keyferry/y.go", to: ours + "broker/store"},
	{from: "cmd/localclouds/y.go", to: ours + "localstack/awsemu"},
	{from: "e2e/y_test.go", to: ours + "localstack/awsemu"},
	{from: "e2e/y_test.go", to: ours + "hsm/softtoken/shim"},
}

func TestEachArrowIsHeldByItsRule(t *testing.T) {
	t.Parallel()
	starts := map[string][]arrow{}
	for _, a := range append(slices.Clone(refused), allowed...) {
		starts[a.from] = append(starts[a.from], a)
	}
	for from, arrows := range starts {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			found := lint(t, from, arrows)
			for _, a := range arrows {
				if a.rule != "" && !slices.Contains(found, a) {
					t.Errorf("%s may import %s: rule %q does not refuse it", a.from, a.to, a.rule)
				}
			}
			for _, f := range found {
				if slices.Contains(arrows, arrow{from: f.from, to: f.to}) {
					t.Errorf("%s may not import %s, because of rule %q", f.from, f.to, f.rule)
				}
			}
		})
	}
}

func TestEachRuleHasAnOffender(t *testing.T) {
	t.Parallel()
	config := read(t, filepath.Join("..", "..", ".golangci.yml"))
	_, rules, _ := strings.Cut(config, "    depguard:\n      rules:\n")
	rules, _, _ = strings.Cut(rules, "\n    errorlint:")
	names := regexp.MustCompile(`(?m)^ {8}([a-z0-9-]+):`).FindAllStringSubmatch(rules, -1)
	if len(names) == 0 {
		t.Fatal("no rules found")
	}
	for _, name := range names {
		if !slices.ContainsFunc(refused, func(a arrow) bool { return a.rule == name[1] }) {
			t.Errorf("rule %q refuses nothing here", name[1])
		}
	}
}

// lint plants the arrows that start at one file and returns those that the linter refuses.
func lint(t *testing.T, from string, arrows []arrow) []arrow {
	t.Helper()
	root := plant(t, from, arrows)
	linter, err := filepath.Abs(filepath.Join("..", "..", ".cache", "bin", "golangci-lint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(linter); err != nil {
		t.Fatalf("the linter is missing, run `make setup`: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), linter, "run", "--enable-only", "depguard", "--allow-parallel-runners",
		"--output.json.path", "stdout", "--show-stats=false", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOLANGCI_LINT_CACHE="+t.TempDir())
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("run the linter: %v", err)
	}
	return parse(t, root, out)
}

var said = regexp.MustCompile(`^import '(.*)' is not allowed from list '(.*)'`)

func parse(t *testing.T, root string, out []byte) []arrow {
	t.Helper()
	var report struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct{ Filename string }
		}
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&report); err != nil {
		t.Fatalf("read %q: %v", out, err)
	}
	var found []arrow
	for _, issue := range report.Issues {
		parts := said.FindStringSubmatch(issue.Text)
		if parts == nil {
			t.Fatalf("the linter says of %s: %s: %s", issue.Pos.Filename, issue.FromLinter, issue.Text)
		}
		found = append(found, arrow{strings.TrimPrefix(issue.Pos.Filename, root+"/"), parts[1], parts[2]})
	}
	return found
}

// plant makes a module with a folder for each end of an arrow, and the file that imports all of them. One file a module: two could
// import each other's folders, and then nothing would be linted at all.
func plant(t *testing.T, from string, arrows []arrow) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, ".golangci.yml", read(t, filepath.Join("..", "..", ".golangci.yml")))
	write(t, root, "go.mod", "module github.com/keyferry/keyferry\n\ngo 1.26\n\nrequire github.com/miekg/pkcs11 v0.0.0\n\n"+
		"replace github.com/miekg/pkcs11 => ./other\n")
	write(t, root, "other/go.mod", "module github.com/miekg/pkcs11\n")
	write(t, root, "other/other.go", "package pkcs11\n")

	text := "package " + name(filepath.Dir(from)) + "\n"
	if strings.HasSuffix(from, "_test.go") {
		write(t, root, filepath.Join(filepath.Dir(from), "here.go"), text)
		text = "package " + name(filepath.Dir(from)) + "_test\n"
	}
	for _, a := range arrows {
		if folder, isOurs := strings.CutPrefix(a.to, ours); isOurs {
			write(t, root, filepath.Join(folder, "here.go"), "package "+name(folder)+"\n")
		}
		text += "import _ \"" + a.to + "\"\n"
	}
	write(t, root, from, text)
	return root
}

func name(folder string) string { return filepath.Base(folder) }

func write(t *testing.T, root, file, text string) {
	t.Helper()
	path := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
