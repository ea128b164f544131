package localstack_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack"
)

// healthy is a server that says what it is told to at LocalStack's health path.
func healthy(t *testing.T, body string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_localstack/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestOneThatRunsIsTakenAndLeftAlone(t *testing.T) {
	s := healthy(t, `{"services": {"kms": "available"}, "version": "4.9.2"}`)
	t.Setenv(localstack.EndpointVariable, s.URL)
	ls, err := localstack.StartAWS(t.Context(), localstack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ls.Endpoint != s.URL || ls.Version != "4.9.2" || ls.Log != "" {
		t.Errorf("found %+v, want the one at %s", ls, s.URL)
	}
	if err := ls.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := localstack.StartAWS(t.Context(), localstack.Options{}); err != nil {
		t.Errorf("after Stop it is gone, though we did not start it: %v", err)
	}
}

func TestOneThatIsNamedMustAnswerForKMS(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not LocalStack":   `{"services": {}}`,
		"no JSON":          `<html>`,
		"KMS switched off": `{"services": {"kms": "disabled"}, "version": "4.9.2"}`,
	} {
		s := healthy(t, body)
		_, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: s.URL})
		if !errors.Is(err, localstack.ErrNotReady) || !strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: %v, want ErrNotReady that names %s", name, err, s.URL)
		}
	}
	if _, err := localstack.StartAWS(t.Context(), localstack.Options{Endpoint: "http://127.0.0.1:1"}); !errors.Is(err, localstack.ErrNotReady) {
		t.Errorf("nobody listens: %v, want ErrNotReady", err)
	}
}

// noDocker hides Docker from the test.
func noDocker(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", "/usr/bin:/bin")
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		t.Setenv("PATH", withCommand(t, "docker", "exit 1")+":/usr/bin:/bin")
	}
}

// withCommand makes a folder with one shell script in it.
func withCommand(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), "#!/bin/sh\n"+script+"\n")
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fakeVenv is an installed environment whose Python is a shell script.
func fakeVenv(t *testing.T, script string) (cache string) {
	t.Helper()
	cache = t.TempDir()
	write(t, filepath.Join(cache, "localstack-venv", "bin", "python"), "#!/bin/sh\n"+script+"\n")
	write(t, filepath.Join(cache, "localstack-venv", "stamp"), "whole")
	return cache
}

func TestNotInstalledSaysWhatToDo(t *testing.T) {
	noDocker(t)
	_, err := localstack.StartIn(t.Context(), t.Context(), t.TempDir())
	if !errors.Is(err, localstack.ErrMissing) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("%v, want ErrMissing that says make setup", err)
	}
}

func TestAnInterruptedInstallIsNotTaken(t *testing.T) {
	noDocker(t)
	cache := fakeVenv(t, "exit 0")
	if err := os.Remove(filepath.Join(cache, "localstack-venv", "stamp")); err != nil {
		t.Fatal(err)
	}
	if _, err := localstack.Launch(t.Context(), cache, 1); !errors.Is(err, localstack.ErrMissing) {
		t.Errorf("%v, want ErrMissing", err)
	}
}

func TestOneThatFailsToStartShowsItsLog(t *testing.T) {
	noDocker(t)
	_, err := localstack.StartIn(t.Context(), t.Context(), fakeVenv(t, "echo no module named localstack >&2; exit 1"))
	if !errors.Is(err, localstack.ErrNotReady) || !strings.Contains(err.Error(), "no module named localstack") {
		t.Fatalf("%v, want ErrNotReady with the last words", err)
	}
	_, file, _ := strings.Cut(err.Error(), "its log is ")
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "exit status 1") {
		t.Errorf("log %q says %q, %v", file, text, err)
	}
}

func TestOneThatNeverAnswersIsStoppedWithItsChildren(t *testing.T) {
	noDocker(t)
	pids := filepath.Join(t.TempDir(), "pids")
	cache := fakeVenv(t, "sleep 1000 & echo $$ $! >"+pids+".new; mv "+pids+".new "+pids+"; wait")
	ready, cancel := context.WithCancel(t.Context())
	go func() {
		awaitFile(ready, pids)
		cancel()
	}()
	_, err := localstack.StartIn(t.Context(), ready, cache)
	if !errors.Is(err, localstack.ErrNotReady) {
		t.Fatalf("%v, want ErrNotReady", err)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "process "+field+" to end", func() bool { return ended(pid) })
	}
}

// ended is whether a process is gone, or dead and waits for its parent to notice.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		return strings.Contains(string(stat), ") Z ")
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func awaitFile(ctx context.Context, file string) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		if _, err := os.Stat(file); err == nil {
			return
		}
		<-again.C
	}
}

// await waits half a minute for a state.
func await(t *testing.T, what string, reached func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !reached() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestDockerIsPreferredWhereItHasTheImage(t *testing.T) {
	docker := withCommand(t, "docker", `[ "$1 $2 $3" = "image inspect localstack/localstack:4.14.0" ]`)
	t.Setenv("PATH", docker+":/usr/bin:/bin")
	args, err := localstack.Launch(t.Context(), t.TempDir(), 41234)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{filepath.Join(docker, "docker"), "run", "--rm", "127.0.0.1:41234:4566", "SERVICES=kms,sts,iam", "localstack/localstack:4.14.0"} {
		if !slices.Contains(args, want) {
			t.Errorf("docker is run as %q, without %q", args, want)
		}
	}
}

func TestDockerWithoutTheImageIsPassedOver(t *testing.T) {
	t.Setenv("PATH", withCommand(t, "docker", "exit 1")+":/usr/bin:/bin")
	cache := fakeVenv(t, "exit 0")
	args, err := localstack.Launch(t.Context(), cache, 41234)
	if err != nil || args[0] != filepath.Join(cache, "localstack-venv", "bin", "python") {
		t.Errorf("starts %q, %v, want the environment's Python", args, err)
	}
}
