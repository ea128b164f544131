package e2e_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// isolatedVariable names the test that runs inside.
const isolatedVariable = "KEYFERRY_E2E_ISOLATED"

// isolated runs the calling test once more in a process with its own mount
// namespace; inside it returns true. Where none can be made the test fails, unless
// KEYFERRY_TEST_SKIP names mount.
func isolated(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv(isolatedVariable) == t.Name() {
		fatal(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), isolatedVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{Size: 1, HostID: os.Geteuid()}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{Size: 1, HostID: os.Getegid()}}
	}
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		if slices.Contains(strings.Split(os.Getenv(softtoken.SkipVariable), ","), "mount") {
			t.Skipf("%s names mount: %v", softtoken.SkipVariable, err)
		}
		t.Fatalf("this test needs a mount namespace: %v; make setup says what is missing, %s=mount leaves it out", err, softtoken.SkipVariable)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("inside: %v\n%s", err, out)
	}
	return false
}

// onSmallDisk is a site whose store, and nothing else, is on a file system of its
// own, of two megabytes.
func onSmallDisk(t *testing.T) (s *site, disk string) {
	t.Helper()
	s = bareSite(t, softtoken.SoftHSM)
	disk = filepath.Join(s.dir, "disk")
	fatal(t, os.Mkdir(disk, 0o700))
	fatal(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=2m,mode=0700"))
	t.Cleanup(func() { check(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	edit("store: "+s.database(), "store: "+filepath.Join(disk, "keyferry.db"))(t, s)
	s.enrol(t)
	return s, disk
}

// fill leaves no room on a disk.
func fill(t *testing.T, disk string) {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "filler"))
	fatal(t, err)
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	fatal(t, f.Close())
}

func makeRoom(t *testing.T, disk string) {
	t.Helper()
	if err := os.Remove(filepath.Join(disk, "filler")); !errors.Is(err, fs.ErrNotExist) {
		fatal(t, err)
	}
}

// A disk that is full before an import, and one that gets full at each call of it:
// what was sent is found again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	s, disk := onSmallDisk(t)
	s.refusesAll(t, []bad{{
		name: "full", code: 1, asked: reads,
		spoil: func(t *testing.T, _ *site) { t.Helper(); fill(t, disk) },
		heal:  func(t *testing.T, _ *site) { t.Helper(); makeRoom(t, disk) },
		says:  []string{"keyferry.db", "full", "make room"},
	}})
	names := []string{"bad-0"}
	for _, action := range []string{"CreateKey", "ImportKeyMaterial", "CreateAlias"} {
		name := "full-at-" + action
		s.fullAt(t, disk, action, name)
		names = append(names, name)
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

func (s *site) fullAt(t *testing.T, disk, action, name string) {
	t.Helper()
	id, err := s.admin.Add(t.Context(), faults.Rule{Kind: faults.Hold, When: faults.After, Match: faults.Match{Action: action}})
	fatal(t, err)
	run := s.start(t, s.imports(name, "aes-256")...)
	if _, err := s.admin.Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Held}); err != nil {
		t.Fatalf("%s was never reached: %v: %s", action, err, run.wait())
	}
	fill(t, disk)
	fatal(t, s.admin.Remove(t.Context(), id))
	out := run.wait()
	t.Log(out)
	for _, words := range []string{"full", "make room"} {
		if out.code == 0 || !contains(out.stderr, words) {
			t.Errorf("full at %s, %q is not said: %s", action, words, out)
		}
	}
	if contains(out.stderr, "changed: nothing") {
		t.Errorf("%s was done, and is not told of: %s", action, out)
	}
	makeRoom(t, disk)
	s.done(t, s.imports(name, "aes-256")...)
}

// A file system that may only be read: lists still come, changes do not begin.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	s, disk := onSmallDisk(t)
	s.refusesAll(t, []bad{{
		name: "read-only file system", code: 1, asked: reads,
		spoil: func(t *testing.T, _ *site) {
			t.Helper()
			fatal(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		},
		heal: func(t *testing.T, _ *site) { t.Helper(); fatal(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "")) },
		says: []string{"keyferry.db", "read-only file system", "remount it"},
	}})
}
