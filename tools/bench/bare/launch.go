package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// launch runs a program, and writes to a file how many KiB of it were resident at most. Linux counts what its parent had resident
// when it was started, which is little here and much in what runs the emulators.
func launch(ctx context.Context, into string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // what the benchmark built
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("launch %s: %w", command[0], err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system tells no memory of a process")
	}
	return os.WriteFile(into, fmt.Append(nil, usage.Maxrss), 0o600) //nolint:gosec // the benchmark names the file
}
