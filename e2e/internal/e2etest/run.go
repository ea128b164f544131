package e2etest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// patience is the deadline of whatever is waited for: far beyond what it takes.
const patience = 5 * time.Minute

// Soon is a context that ends when patience does.
func Soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// Outcome is what one run of the program left.
type Outcome struct {
	Args           []string
	Code           int // -1: a signal ended it
	Stdout, Stderr string
}

// String shows it in a failure, shortened where it is a list's.
func (o Outcome) String() string {
	const most = 6000
	text := o.Stdout + o.Stderr
	if len(text) > most {
		text = text[:most/2] + "\n[…]\n" + text[len(text)-most/2:]
	}
	return fmt.Sprintf("%s: exit %d\n%s", strings.Join(o.Args, " "), o.Code, text)
}

// Run is a run of the program that is under way.
type Run struct {
	Cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan struct{} // closed once it has
	shim           *shim.Shim    // of its site's token
	t              testing.TB    // that started it
}

// Start starts the program.
func (s *Site) Start(t *testing.T, args ...string) *Run {
	t.Helper()
	return s.StartCommand(t, exec.CommandContext(t.Context(), s.Program, args...)) //nolint:gosec // the test's own
}

// StartCommand starts a command that runs the program, or something else, as the program
// is run: where, and with which environment.
func (s *Site) StartCommand(t *testing.T, cmd *exec.Cmd) *Run {
	t.Helper()
	run := &Run{Cmd: cmd, ended: make(chan struct{}), shim: s.Shim, t: t}
	cmd.Dir, cmd.Env = s.Dir, s.Env
	cmd.Stdout, cmd.Stderr = &run.stdout, &run.stderr
	fatal(t, cmd.Start())
	go func() {
		defer close(run.ended)
		_ = cmd.Wait() // the exit code says it
	}()
	return run
}

// Run runs the program to its end.
func (s *Site) Run(t *testing.T, args ...string) Outcome {
	t.Helper()
	return s.Start(t, args...).Wait()
}

// Must runs what has to succeed.
func (s *Site) Must(t *testing.T, args ...string) Outcome {
	t.Helper()
	out := s.Run(t, args...)
	if out.Code != 0 {
		t.Fatal(out)
	}
	return out
}

// Wait waits until it has ended.
func (r *Run) Wait() Outcome {
	<-r.ended
	args := append([]string{"keyferry"}, r.Cmd.Args[1:]...)
	return Outcome{args, r.Cmd.ProcessState.ExitCode(), r.stdout.String(), r.stderr.String()}
}

// Ended is closed once it has ended.
func (r *Run) Ended() <-chan struct{} { return r.ended }

// Over reports whether it has ended.
func (r *Run) Over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Kill ends it as a power failure would; false: it had ended by itself. It is not killed
// while SoftHSM writes anew what was whole: it truncates token.object at each login, and an
// object whose attributes are set, before it writes them, and killed between the two it has
// lost its token, or a key, which no program gets back.
func (r *Run) Kill() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resume, err := r.shim.Pause(ctx, "C_Login", "C_SetAttributeValue")
	if err != nil {
		r.t.Errorf("killed while the token may write: %v", err)
	} else {
		defer resume()
	}
	_ = r.Cmd.Process.Kill() // one that has ended cannot be
	return r.Wait().Code == -1
}

// Alive is a context that ends with the run.
func (r *Run) Alive(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(Soon(t))
	go func() {
		<-r.ended
		cancel()
	}()
	return ctx
}
