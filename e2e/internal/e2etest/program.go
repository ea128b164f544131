package e2etest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// ProgramVariable names a program that is built already.
const ProgramVariable = "KEYFERRY_E2E_PROGRAM"

// WithProgram runs tests, with the program of this clone built where no other run of
// the tests puts another. It is what a TestMain exits with.
func WithProgram(run func() int) (code int) {
	code, err := withProgram(run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

func withProgram(run func() int) (code int, err error) {
	if os.Getenv(ProgramVariable) != "" {
		return run(), nil
	}
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := build(context.Background(), dir)
	if err != nil {
		return 1, err
	}
	if err := os.Setenv(ProgramVariable, path); err != nil { // also for tests that run themselves once more
		return 1, err
	}
	return run(), nil
}

// build builds the program of this clone into a directory, and returns its path.
func build(ctx context.Context, dir string) (string, error) {
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
