package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// isolatedEnv names the test that runs inside.
const isolatedEnv = "KEYFERRY_STORE_TEST_ISOLATED"

// nobody owns nothing.
const nobody = 65534

// isolated runs the calling test once more in a process with its own mount
// namespace, where it may mount and change its user; inside it returns true. Where
// no namespace can be made the test fails, unless KEYFERRY_TEST_SKIP names mount.
func isolated(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv(isolatedEnv) == t.Name() {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), isolatedEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{Size: 1, HostID: os.Geteuid()}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{Size: 1, HostID: os.Getegid()}}
	}
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		cannot(t, "mount", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("inside: %v\n%s", err, out)
	}
	return false
}

// cannot fails a test that cannot run, unless someone said in so many words that
// it may be left out.
func cannot(t *testing.T, thing string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("KEYFERRY_TEST_SKIP"), ","), thing) {
		t.Skipf("left out by KEYFERRY_TEST_SKIP: %v", err)
	}
	t.Fatalf("this test needs a %s namespace: %v; make setup says what is missing, KEYFERRY_TEST_SKIP=%s leaves it out", thing, err, thing)
}

// mounted is a new, small file system with nothing in it.
func mounted(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill leaves no room on a file system; the returned function makes room again.
func fill(t *testing.T, dir string) (makeRoom func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	must(t, err)
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	must(t, f.Close())
	return func() { must(t, os.Remove(path)) }
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	dir := mounted(t, "2m")
	path := filepath.Join(dir, "inventory.db")
	s, err := store.Create(t.Context(), store.Options{Path: path})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	makeRoom := fill(t, dir)
	written := 0
	for err = nil; err == nil; {
		if _, err = s.Apply(t.Context(), numbered(written)); err == nil {
			written++
		}
	}
	explains(t, err, broker.Rejected, path, "full", "make room")
	for range 3 {
		_, err := s.Apply(t.Context(), numbered(written))
		explains(t, err, broker.Rejected, path, "full")
	}
	holds(t, s, written)

	copied := filepath.Join(dir, "copy.db")
	explains(t, s.Backup(t.Context(), copied), broker.Rejected, copied, "full", "make room")
	_, err = store.Create(t.Context(), store.Options{Path: filepath.Join(dir, "other.db")})
	explains(t, err, broker.Rejected, "other.db", "make room")
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("%v: left behind on a full disk", left)
	}

	makeRoom()
	_, err = s.Apply(t.Context(), numbered(written))
	must(t, err)
	must(t, s.Close())
	makeRoom = fill(t, dir)
	_, err = store.Open(t.Context(), store.Options{Path: path})
	explains(t, err, broker.Rejected, path, "the disk is full", "make room")
	makeRoom()
	holds(t, opened(t, path), written+1)
}

// holds that a store has so many keys, each with its entry, and is whole.
func holds(t *testing.T, s *store.Store, keys int) {
	t.Helper()
	must(t, s.Check(t.Context()))
	info, err := s.Info(t.Context())
	must(t, err)
	if info.Keys != keys || info.Entries != keys || info.Heads != keys {
		t.Errorf("%+v: want %d keys", info, keys)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	dir := mounted(t, "4m")
	path := filepath.Join(dir, "inventory.db")
	s, err := store.Create(t.Context(), store.Options{Path: path})
	must(t, err)
	_, err = s.Apply(t.Context(), numbered(0))
	must(t, err)
	must(t, s.Close())
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	openFails(t, path, broker.Denied, "read-only file system", "remount it, or work on a copy elsewhere")
	other := filepath.Join(dir, "other.db")
	_, err = store.Create(t.Context(), store.Options{Path: other})
	explains(t, err, broker.Denied, other, "read-only file system", dir)
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
	holds(t, opened(t, path), 1)
}

// Root may do anything, whatever the mode: so this runs as nobody then.
func TestModeBits(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	if root && !isolated(t) {
		return
	}
	dir := t.TempDir()
	if root {
		must(t, os.Chown(dir, nobody, nobody))
		must(t, os.Chown(filepath.Dir(dir), nobody, nobody))
		must(t, syscall.Setgroups(nil))
		must(t, syscall.Setgid(nobody))
		must(t, syscall.Setuid(nobody))
	}
	path := filepath.Join(dir, "inventory.db")
	s, err := store.Create(t.Context(), store.Options{Path: path})
	must(t, err)
	must(t, s.Close())

	must(t, os.Chmod(path, 0o400))
	_, err = store.Open(t.Context(), store.Options{Path: path})
	explains(t, err, broker.Denied, path, "permission denied", "chmod u+rw "+path)
	must(t, os.Chmod(path, 0o200))
	openFails(t, path, broker.Denied, "permission denied", "chmod u+r")
	must(t, os.Chmod(path, 0o600))

	must(t, os.Chmod(dir, 0o500))
	openFails(t, path, broker.Denied, "permission denied", "chmod u+wx "+dir)
	_, err = store.Create(t.Context(), store.Options{Path: path + ".new"})
	explains(t, err, broker.Denied, path+".new", "permission denied", dir)
	must(t, os.Chmod(dir, 0o000))
	openFails(t, path, broker.Denied, "permission denied", "enter its directories")
	must(t, os.Chmod(dir, 0o700))
	must(t, opened(t, path).Check(t.Context()))
}
