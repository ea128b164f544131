package shim

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

//go:embed c
var sources embed.FS

// build compiles the module, unless these sources have been compiled here before, and returns its path below .cache/shim.
func build(ctx context.Context) (string, error) {
	root, err := softtoken.Root()
	if err != nil {
		return "", fmt.Errorf("build the shim: %w", err)
	}
	version, err := digest()
	if err != nil {
		return "", fmt.Errorf("build the shim: %w", err)
	}
	dir := filepath.Join(root, ".cache", "shim")
	built := filepath.Join(dir, version+".so")
	if _, err := os.Stat(built); err == nil {
		return built, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("build the shim: %w", err)
	}
	return built, compile(ctx, dir, built)
}

// digest names the sources and the machine they are compiled for.
func digest() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		return err
	})
	fmt.Fprint(sum, runtime.GOOS, runtime.GOARCH, flags())
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

func flags() []string {
	return []string{"-shared", "-fPIC", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden", "-pthread"}
}

// compile writes to a temporary file and renames it: several test programs may do this at once.
func compile(ctx context.Context, dir, built string) (err error) {
	work, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return fmt.Errorf("build the shim: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.CopyFS(work, sources); err != nil {
		return fmt.Errorf("build the shim: %w", err)
	}
	out := filepath.Join(work, "shim.so")
	args := append(flags(), "-o", out, filepath.Join(work, "c", "shim.c"), filepath.Join(work, "c", "change.c"))
	if runtime.GOOS == "linux" {
		args = append(args, "-ldl")
	}
	if said, err := exec.CommandContext(ctx, "cc", args...).CombinedOutput(); err != nil { //nolint:gosec // our own sources
		return fmt.Errorf("build the shim: run cc (`make setup` installs it): %w: %s", err, said)
	}
	return os.Rename(out, built)
}
