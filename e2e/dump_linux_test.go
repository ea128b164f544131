package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// The program's memory is closed to who is not root, and to core dumps, whatever limits
// and GOTRACEBACK it is started with; KEYFERRY_DUMPABLE=1 opens it.
func TestMemoryIsClosed(t *testing.T) {
	t.Parallel()
	for value, open := range map[string]bool{"0": false, "1": true} {
		t.Run("set to "+value, func(t *testing.T) {
			t.Parallel()
			s, as := ownedSite(t)
			s.Env = append(s.Env, "KEYFERRY_DUMPABLE="+value, "GOTRACEBACK=crash")
			run := s.heldAs(t, as, "held")
			pid := run.Cmd.Process.Pid
			if got := limit(t, pid, "Max core file size"); open != (got != "0 0") {
				t.Errorf("the limit of core dumps is %s", got)
			}
			for _, file := range []string{"mem", "environ", "maps"} {
				readable := s.readsAs(t, as, fmt.Sprintf("/proc/%d/%s", pid, file))
				if readable != open {
					t.Errorf("another process of this user can open %s: %v", file, readable)
				}
			}
			fatal(t, run.Cmd.Process.Signal(syscall.SIGABRT))
			out := run.Wait()
			fatal(t, s.admin.Remove(t.Context(), ""))
			status := run.Cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || !strings.Contains(out.Stderr, "goroutine 1 ") {
				t.Errorf("it did not crash: %s", out)
			}
			cores, err := filepath.Glob(filepath.Join(s.Dir, "core*"))
			fatal(t, err)
			if !open && (status.CoreDump() || len(cores) > 0) {
				t.Errorf("its core was dumped: %v", cores)
			}
			if open && coresGoHere(t) && !status.CoreDump() {
				t.Error("its core was not dumped, so that this shows nothing")
			}
		})
	}
}

// ownedSite is an enrolled one whose program runs as a user who is not root.
func ownedSite(t *testing.T) (s *site, as int) {
	t.Helper()
	s, as = bareSite(t, softtoken.SoftHSM), os.Geteuid()
	s.configure(t, s.Token.Module) // the shim listens to this user alone
	if as == 0 {
		as = nobody
		s.Program = copied(t, s.Program, filepath.Join(s.Dir, "keyferry"))
		s.owned(t, as)
	}
	for _, args := range [][]string{{"init"}, {"token", "enrol", "--environment", "test"}, {"target", "enrol", "aws"}} {
		if out := s.runAs(t, as, args...); out.Code != 0 {
			t.Fatalf("keyferry %v: %s", args, out)
		}
	}
	return s, as
}

// heldAs starts an import without a limit of core dumps, and returns when it waits for the
// cloud.
func (s *site) heldAs(t *testing.T, uid int, name string) *e2etest.Run {
	t.Helper()
	id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: faults.Before, Match: faults.Match{Action: "ImportKeyMaterial"}})
	fatal(t, err)
	run := s.startAs(t, uid, "sh", append([]string{"-c", `ulimit -c unlimited 2>/dev/null; exec "$0" "$@"`, s.Program}, s.imports(name, "aes-256")...)...)
	if run.Waits(t, s.admin, faults.CallQuery{Fault: id, State: faults.Held}); run.Over() {
		t.Fatal(run.Wait())
	}
	return run
}

// startAs starts a command as another user, which root alone may.
func (s *site) startAs(t *testing.T, uid int, name string, args ...string) *e2etest.Run {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	if uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return s.StartCommand(t, cmd)
}

// readsAs reports whether a process of a user can open a file. The shell asks the system
// by opening it: access(2) would say what the mode allows.
func (s *site) readsAs(t *testing.T, uid int, path string) bool {
	t.Helper()
	return s.startAs(t, uid, "sh", "-c", `: <"$0"`, path).Wait().Code == 0
}

// limit is the soft and the hard one of a process, by proc(5).
func limit(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	fatal(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Join(strings.Fields(rest)[:2], " ")
		}
	}
	t.Fatalf("no limit %q", name)
	return ""
}

// coresGoHere: cores are plain files, and this process may leave some.
func coresGoHere(t *testing.T) bool {
	t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	fatal(t, err)
	var r syscall.Rlimit
	fatal(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &r))
	return !strings.HasPrefix(string(pattern), "|") && r.Max > 1<<30
}
