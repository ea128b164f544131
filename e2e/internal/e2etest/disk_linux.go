package e2etest

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
)

// isolatedVariable names the test that runs inside.
const isolatedVariable = "KEYFERRY_E2E_ISOLATED"

// Isolated runs the calling test once more in a process with its own mount namespace,
// and returns what that printed; inside it returns true. Where none can be made the test
// fails, unless KEYFERRY_TEST_SKIP names mount.
func Isolated(t *testing.T) (inside bool, printed string) {
	t.Helper()
	if os.Getenv(isolatedVariable) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true, ""
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v") //nolint:gosec // this test itself
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
	return false, string(out)
}

// Disk mounts a file system of its own, with so much room ("2m"), and returns where.
func Disk(t *testing.T, below, room string) string {
	t.Helper()
	disk := filepath.Join(below, "disk")
	if err := errors.Join(os.Mkdir(disk, 0o700), unix.Mount("tmpfs", disk, "tmpfs", 0, "size="+room+",mode=0700")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// Fill leaves no room on a disk.
func Fill(disk string) error {
	f, err := os.Create(filepath.Join(disk, "filler")) //nolint:gosec // the test's own disk
	if err != nil {
		return err
	}
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return f.Close()
}

// MakeRoom undoes Fill; where nothing was filled it does nothing.
func MakeRoom(disk string) error {
	if err := os.Remove(filepath.Join(disk, "filler")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
