package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// run runs a command with p in its environment. Its error is the command's exit
// code, if it is not 0. When ctx ends the command is asked to end, and killed if
// it has not after ten seconds.
func (p place) run(ctx context.Context, args []string, std streams) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command that the person gave
	cmd.Env = append(os.Environ(), p.environment()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return ended(exit)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}

// ended is a command's end as a shell tells it.
func ended(e *exec.ExitError) exitError {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitError(128 + int(status.Signal()))
	}
	return exitError(e.ExitCode())
}
