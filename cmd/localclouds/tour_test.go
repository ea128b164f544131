package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tour is the shell of README.md that follows `make build` and `make emulators`.
func tour(t *testing.T) string {
	t.Helper()
	text := string(read(t, "../../README.md"))
	_, block, ok := strings.Cut(text, "```sh\n. .cache/emulators/exports\n")
	block, _, end := strings.Cut(block, "```\n")
	if !ok || !end {
		t.Fatal("README.md has no block that begins with the exports of make emulators")
	}
	return ". .cache/emulators/exports\n" + block
}

// TestTourOfTheReadme: what --out writes is a config as it is, each target of it can
// be enrolled, and a key goes to all of them.
func TestTourOfTheReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "github.com/keyferry/keyferry/cmd/keyferry")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	clouds := start(t, "--json", "--out", filepath.Join(dir, ".cache/emulators"))
	enrol := "keyferry token enrol --environment test\n"
	for _, name := range []string{"aws", "google", "vault", "pool"} {
		enrol += "keyferry target enrol " + name + "\n"
	}
	out, err := shell(t.Context(), dir, tour(t)+enrol+"keyferry import all documents/signing --policy signing --reason demo\n")
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, want := range []string{"alias/documents/signing", "cryptoKeyVersions/1", "https://premium.vault", "https://pool.managedhsm"} {
		if !strings.Contains(out, want) {
			t.Errorf("no consumer is given %s in\n%s", want, out)
		}
	}
	if code, rest := clouds.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("ended with %d, %s", code, rest)
	}
	for _, name := range []string{"ca.pem", "gcp.json", "azure.pem", "exports", "targets.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, ".cache/emulators", name)); err != nil {
			t.Errorf("what was asked for is gone: %v", err)
		}
	}
}

// shell runs a script where nothing of the machine's own config is seen.
func shell(ctx context.Context, dir, script string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-euc", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "AWS_EC2_METADATA_DISABLED=true"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
