package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// programs are the built ones that are measured.
type programs struct {
	dir, root      string
	keyferry, bare string
}

func build(ctx context.Context) (programs, error) {
	root, err := softtoken.Root()
	if err != nil {
		return programs{}, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return programs{}, fmt.Errorf("make a directory: %w", err)
	}
	p := programs{dir: dir, root: root, keyferry: filepath.Join(dir, "keyferry"), bare: filepath.Join(dir, "bare")}
	for path, pkg := range map[string]string{p.keyferry: "./cmd/keyferry", p.bare: "./tools/bench/bare"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", path, pkg) //nolint:gosec // our own words
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		if err := settle(path); err != nil {
			return programs{}, err
		}
	}
	return p, nil
}

func (p programs) remove() { _ = os.RemoveAll(p.dir) } // the system clears its temporary directory

// spent is what a run of a program took.
type spent struct {
	wall   time.Duration
	cpu    time.Duration
	stdout []byte
}

// spend runs a program that must end with 0.
func spend(ctx context.Context, dir string, env []string, name string, args ...string) (spent, error) {
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // programs that were built here
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &talk
	begun := time.Now() //nolint:forbidigo // a benchmark's clock
	err := cmd.Run()
	s := spent{wall: time.Since(begun), stdout: out.Bytes()}
	if err != nil {
		return s, fmt.Errorf("run %s %q: %w\n%s%s", filepath.Base(name), args, err, tail(out.Bytes()), tail(talk.Bytes()))
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return s, nil
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }

// resident is the most that was resident of a run of a program, in MiB.
func (p programs) resident(ctx context.Context, dir string, env []string, command ...string) (float64, error) {
	into := filepath.Join(dir, "resident")
	if _, err := spend(ctx, dir, env, p.bare, append([]string{"launch", into}, command...)...); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(into) //nolint:gosec // what was just written
	if err != nil {
		return 0, fmt.Errorf("read what was resident: %w", err)
	}
	var kib float64
	if _, err := fmt.Sscan(string(text), &kib); err != nil {
		return 0, fmt.Errorf("read what was resident: %w", err)
	}
	return kib / 1024, nil
}
