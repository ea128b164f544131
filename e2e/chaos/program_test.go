package chaos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
)

// programVariable names a program that is built already.
const programVariable = "KEYFERRY_CHAOS_PROGRAM"

// TestMain builds the program where no other run of the tests puts another.
func TestMain(m *testing.M) {
	code, err := withProgram(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func withProgram(run func() int) (code int, err error) {
	if os.Getenv(programVariable) != "" {
		return run(), nil
	}
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := e2etest.Build(context.Background(), dir)
	if err != nil {
		return 1, err
	}
	if err := os.Setenv(programVariable, path); err != nil { // also for tests that run themselves once more
		return 1, err
	}
	return run(), nil
}

// outcome is what one run of the program left.
type outcome struct {
	args           []string
	code           int
	stdout, stderr string
}

// String shows it in a failure, shortened where it is a list's.
func (o outcome) String() string {
	const most = 6000
	text := o.stdout + o.stderr
	if len(text) > most {
		text = text[:most/2] + "\n[…]\n" + text[len(text)-most/2:]
	}
	return fmt.Sprintf("keyferry %s: exit %d\n%s", strings.Join(o.args, " "), o.code, text)
}

// started is a run of the program that is under way.
type started struct {
	cmd            *exec.Cmd
	args           []string
	stdout, stderr bytes.Buffer
	ended          chan struct{} // closed once it has
}

func (w *world) start(t *testing.T, args ...string) *started {
	t.Helper()
	run := &started{cmd: exec.CommandContext(t.Context(), w.program, args...), args: args, ended: make(chan struct{})}
	run.cmd.Dir, run.cmd.Env = w.dir, w.env
	run.cmd.Stdout, run.cmd.Stderr = &run.stdout, &run.stderr
	fatal(t, run.cmd.Start())
	go func() {
		defer close(run.ended)
		_ = run.cmd.Wait() // the exit code says it
	}()
	return run
}

func (r *started) wait() outcome {
	<-r.ended
	return outcome{r.args, r.cmd.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String()}
}

// over reports whether it has ended.
func (r *started) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// kill ends it as a power failure would; false: it had ended by itself.
func (r *started) kill() bool {
	_ = r.cmd.Process.Kill() // one that has ended cannot be
	return r.wait().code == -1
}

func (w *world) run(t *testing.T, args ...string) outcome {
	t.Helper()
	return w.start(t, args...).wait()
}

// must runs what has to succeed.
func (w *world) must(t *testing.T, args ...string) outcome {
	t.Helper()
	out := w.run(t, args...)
	if out.code != 0 {
		t.Fatal(out)
	}
	return out
}
