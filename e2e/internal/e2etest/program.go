package e2etest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// Build builds the program of this clone into a directory, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := softtoken.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "keyferry")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/keyferry") //nolint:gosec // a path of the test's own
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build keyferry: %w\n%s", err, out)
	}
	return path, nil
}
