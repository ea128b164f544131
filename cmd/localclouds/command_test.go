package main_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

func TestCommandRunsBetweenStartAndStop(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		cmd := program(t.Context(), "--", "sh", "-c", `printf '%s %s' "$LOCALCLOUDS_AWS_ADMIN_URL" "${AWS_ENDPOINT_URL_KMS-none}"; cat; `+script)
		cmd.Stdin = strings.NewReader(" and the input")
		out, err := cmd.Output()
		if got := exitCode(err); got != want {
			t.Errorf("%s: exit code %d, want %d", script, got, want)
		}
		admin, rest, _ := strings.Cut(string(out), " ")
		if rest != "none and the input" {
			t.Errorf("%s: the command saw %q", script, out)
		}
		if _, err := get(t, alone(nil), admin+"/health"); err == nil {
			t.Errorf("%s: the emulator at %s outlived the command", script, admin)
		}
	}
	cmd := program(t.Context(), "--", "/no/such/command")
	out, err := cmd.CombinedOutput()
	if exitCode(err) != 1 || !strings.Contains(string(out), "/no/such/command") {
		t.Errorf("no such command: %v, %s", err, out)
	}
}

func TestSignalReachesTheCommand(t *testing.T) {
	t.Parallel()
	s := start(t, "--", "sh", "-c", "trap 'echo asked; exit 3' TERM; echo runs; while :; do sleep 0.01; done")
	if code, rest := s.stop(t, os.Interrupt); code != 3 || rest != "asked\n" {
		t.Errorf("ended with %d and %q, want 3 and asked", code, rest)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	// The command ignores the request to end, and ends when localclouds is gone.
	s := start(t, "--", "sh", "-c", "trap '' TERM; echo runs; while kill -0 $PPID 2>/dev/null && [ $PPID != 1 ]; do sleep 0.01; done")
	done := make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // how it ended is looked at below
		close(done)
	}()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-done:
			status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || status.Signal() != syscall.SIGINT {
				t.Errorf("it ended with %v, want by the signal", s.cmd.ProcessState)
			}
			return
		case <-again.C:
			_ = s.cmd.Process.Signal(os.Interrupt)
		case <-t.Context().Done():
			t.Fatal("it ignores a second signal")
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nope"}, {"--clock-offset", "soon"}} {
		out, err := program(t.Context(), args...).CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), "localclouds: ") {
			t.Errorf("%q: %v, %s; want exit code 2", args, err, out)
		}
	}
	out, err := program(t.Context(), "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "localclouds --localstack -- go test") {
		t.Errorf("help: %v, %s", err, out)
	}
}

func TestLocalStackIsStartedAndStopped(t *testing.T) {
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), "localstack") {
		t.Skip("KEYFERRY_TEST_SKIP names localstack")
	}
	t.Setenv("LOCALSTACK_ENDPOINT", "")
	s := start(t, "--json", "--localstack")
	p := s.place(t)
	if p.LocalStackVersion == "" || p.LocalStackAccount != "000000000000" {
		t.Errorf("printed %+v", p)
	}
	health, err := get(t, alone(nil), p.LocalStack+"/_localstack/health")
	if err != nil || health["version"] != p.LocalStackVersion {
		t.Errorf("LocalStack says %v, %v", health, err)
	}
	second := program(t.Context(), "--localstack", "--", "sh", "-c", `printf %s "$LOCALSTACK_ENDPOINT"`)
	second.Env = append(os.Environ(), "LOCALSTACK_ENDPOINT="+p.LocalStack)
	if out, err := second.Output(); err != nil || string(out) != p.LocalStack {
		t.Errorf("the command got %q, %v; want the one that runs, %s", out, err, p.LocalStack)
	}
	if code, _ := s.stop(t, os.Interrupt); code != 0 {
		t.Errorf("^C ended it with %d: %s", code, s.err.String())
	}
	if p.LocalStack == "http://127.0.0.1:4566" {
		return // it was a person's, and stays
	}
	if _, err := get(t, alone(nil), p.LocalStack+"/_localstack/health"); err == nil {
		t.Error("LocalStack outlived localclouds")
	}
}
