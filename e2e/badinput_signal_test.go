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

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
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
		s.interruptTwice(t, s.Shim.On(rule), name)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

func (s *site) interruptTwice(t *testing.T, held *shim.Point, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.Program, s.imports(name, "aes-256")...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	stderr, err := cmd.StderrPipe()
	fatal(t, err)
	fatal(t, cmd.Start())
	if _, err := held.Wait(e2etest.Soon(t)); err != nil {
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
	s.Must(t, s.imports(name, "aes-256")...)
}

// One SIGINT while the cloud is asked: it stops by itself, and says how to go on.
func TestInterruptedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var names []string
	for _, action := range []string{"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"} {
		name := "interrupted-at-" + action
		run, held := s.held(t, s.admin, faults.Rule{When: faults.After, Match: faults.Match{Action: action}}, s.imports(name, "aes-256")...)
		fatal(t, run.Cmd.Process.Signal(os.Interrupt))
		out := run.Wait()
		held.Remove(t)
		for _, words := range []string{"stopping at the next safe point", "stopped by a signal", "  changed: material kf-", "keyferry operation resume"} {
			if out.Code != 3 || !contains(out.Stderr, words) {
				t.Errorf("stopped at %s, %q is not said: %s", action, words, out)
			}
		}
		s.Must(t, s.imports(name, "aes-256")...)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}
