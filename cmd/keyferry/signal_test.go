package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// TestSecondSignalStopsAtOnce: the program waits for the token, which does not
// answer. The first signal has to wait for it; the second does not.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token, err := softtoken.New(t.Context(), softtoken.SoftHSM, filepath.Join(dir, "tokens"), "hsm")
	if err != nil {
		t.Fatal(err)
	}
	front, err := shim.Start(t.Context(), token.Module)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	}()
	text := "store: keyferry.db\ntoken: {name: hsm, module: " + front.Module() + ", label: hsm, environment: test, pin: {file: " + token.PINFile + "}}\n"
	if err := os.WriteFile(filepath.Join(dir, "keyferry.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keyferry := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Args[0], cmd.Dir = "keyferry", dir
		cmd.Env = append(append(os.Environ(), token.Env...), "XDG_CACHE_HOME="+dir)
		return cmd
	}
	if out, err := keyferry("init").CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}

	held := front.On(shim.Rule{Function: "C_GenerateKey", Nth: 1, When: shim.Before, Hold: true})
	cmd := keyferry("token", "enrol", "--environment", "test")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	interrupt(t, cmd)
	first, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.Contains(first, "stopping at the next safe point; the same signal again stops at once") {
		t.Errorf("after the first signal it says %q, %v", first, err)
	}
	interrupt(t, cmd)
	died, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || died.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("after the second it ended with %v", died)
	}
	held.Release()
	if out, err := keyferry("token", "enrol", "--environment", "test").CombinedOutput(); err != nil {
		t.Errorf("run again: %v\n%s", err, out)
	}
}

func interrupt(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// TestFirstSignalEndsTheContext in this process, which hears it too.
func TestFirstSignalEndsTheContext(t *testing.T) {
	var said strings.Builder
	p := &program{stderr: &said}
	ctx, stop := p.untilSignal(t.Context())
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	stop()
	if !errors.Is(context.Cause(ctx), errStopped) || !strings.Contains(said.String(), "safe point") {
		t.Errorf("cause %v, said %q", context.Cause(ctx), said.String())
	}
}
