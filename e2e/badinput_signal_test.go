package e2e_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// SIGINT while the token is at work, which nobody can call off: the first waits
// for it, the second ends the program at once. The same command then finishes.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var names []string
	for function, rule := range map[string]shim.Rule{
		"C_GenerateKey":      {TokenObject: true, When: shim.After},
		"C_WrapKey":          {When: shim.Before},
		"C_FindObjectsFinal": {When: shim.Before},
	} {
		rule.Function, rule.Nth, rule.Hold = function, 1, true
		name := "interrupted-at-" + function
		s.interruptTwice(t, s.shim.On(rule), name)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

func (s *site) interruptTwice(t *testing.T, held *shim.Point, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.program, s.imports(name, "aes-256")...)
	cmd.Dir, cmd.Env = s.dir, s.env
	stderr, err := cmd.StderrPipe()
	fatal(t, err)
	fatal(t, cmd.Start())
	if _, err := held.Wait(soon(t)); err != nil {
		t.Fatalf("%s: the call was never reached: %v", name, err)
	}
	lines := bufio.NewReader(stderr)
	fatal(t, cmd.Process.Signal(os.Interrupt))
	first, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(first, "stopping at the next safe point; the same signal again stops at once") {
		t.Errorf("%s: after the first signal it says %q, %v", name, first, err)
	}
	fatal(t, cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, lines)
	fatal(t, err)
	died, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || died.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("%s: after the second signal it ended with %v", name, died)
	}
	held.Remove()
	s.done(t, s.imports(name, "aes-256")...)
}

// One SIGINT while the cloud is asked: it stops by itself, and says how to go on.
func TestInterruptedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var names []string
	for _, action := range []string{"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"} {
		name := "interrupted-at-" + action
		id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: faults.After, Match: faults.Match{Action: action}})
		fatal(t, err)
		run := s.start(t, s.imports(name, "aes-256")...)
		if _, err := s.admin.Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Held}); err != nil {
			t.Fatalf("%s was never reached: %v: %s", action, err, run.wait())
		}
		fatal(t, run.cmd.Process.Signal(os.Interrupt))
		out := run.wait()
		fatal(t, s.admin.Remove(t.Context(), id))
		for _, words := range []string{"stopping at the next safe point", "stopped by a signal", "  changed: material kf-", "keyferry operation resume"} {
			if out.code != 3 || !contains(out.stderr, words) {
				t.Errorf("stopped at %s, %q is not said: %s", action, words, out)
			}
		}
		s.done(t, s.imports(name, "aes-256")...)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}
