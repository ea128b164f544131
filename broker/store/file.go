package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/ownfile"
)

// sidecars are the files SQLite keeps beside a database. What stands there is
// read as part of it, so it must be as safe as the database itself.
func sidecars(path string) []string { return []string{path + "-wal", path + "-shm", path + "-journal"} }

// checkFile refuses a path that others could have prepared, and returns it in
// full. It only asks for attributes: to open and close a database file would drop
// the locks that this process holds on it (POSIX record locks).
func checkFile(o Options) (path string, err error) {
	if path, err = filepath.Abs(o.Path); err != nil {
		return "", fmt.Errorf("find database %s: %w", o.Path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", unreachable(path, err)
	}
	if err := ownFile(path, info); err != nil {
		return "", err
	}
	for _, beside := range sidecars(path) {
		if info, err := os.Lstat(beside); err == nil {
			if err := ownFile(beside, info); err != nil {
				return "", err
			}
		}
	}
	if err := ownPlace("open database", path); err != nil {
		return "", err
	}
	return path, usable(path, o.ReadOnly)
}

// ownPlace holds that nobody else can put another file in the place of this one.
func ownPlace(op, path string) error {
	if hint, err := ownfile.Place(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &broker.Error{Kind: broker.Denied, Op: op, Object: path, Cause: reason(err), Hint: hint}
	}
	return nil // what is not there is told by who looks for it
}

func unreachable(path string, err error) error {
	e := &broker.Error{
		Kind: broker.Denied, Op: "open database", Object: path, Cause: reason(err),
		Hint: "check the path, and that you may enter its directories",
	}
	if errors.Is(err, fs.ErrNotExist) {
		e.Kind = broker.NotFound
		e.Hint = "check the path; a new inventory is made with: keyferry init"
	}
	return e
}

// ownFile holds that only the user who runs this can read or write the file.
func ownFile(path string, info fs.FileInfo) error {
	e := &broker.Error{Kind: broker.Denied, Op: "open database", Object: path}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		e.Cause = fmt.Errorf("it is a symbolic link")
		e.Hint = "name the file itself"
	case !info.Mode().IsRegular():
		e.Cause = fmt.Errorf("it is no regular file")
		e.Hint = "check the path"
	case ok && int(stat.Uid) != os.Geteuid():
		e.Cause = fmt.Errorf("it belongs to uid %d, this process is uid %d", stat.Uid, os.Geteuid())
		e.Hint = "run keyferry as its owner, or: chown " + fmt.Sprint(os.Geteuid()) + " " + path
	case info.Mode().Perm()&0o077 != 0:
		e.Cause = fmt.Errorf("its mode %04o lets others in", info.Mode().Perm())
		e.Hint = "chmod 600 " + path
	default:
		return nil
	}
	return e
}

// usable asks the system whether the file can be read and, unless it is only read,
// written: SQLite would open a read-only file without a word and fail in the middle
// of the work. The directory must be writable in any case: readers and writers
// meet in the -shm file there.
func usable(path string, readOnly bool) error {
	mode, fix := uint32(unix.R_OK|unix.W_OK), "chmod u+rw "
	if readOnly {
		mode, fix = unix.R_OK, "chmod u+r "
	}
	dir := filepath.Dir(path)
	err, hint := unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS), fix+path
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
		hint = "SQLite keeps its -wal and -shm files beside it: chmod u+wx " + dir
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EROFS) {
		hint = "its file system is mounted read-only: remount it, or work on a copy elsewhere"
	}
	return &broker.Error{Kind: broker.Denied, Op: "open database", Object: path, Cause: err, Hint: hint}
}

// newFile has fill write a new file of mode 0600 and puts it, complete and on
// disk, at path. It replaces nothing, and a process killed on the way leaves at
// most a hidden file beside it.
func newFile(op, path string, fill func(path string) error) (err error) {
	defer func() {
		if errors.Is(err, fs.ErrExist) {
			err = &broker.Error{Kind: broker.Conflict, Op: op, Object: path, Cause: fmt.Errorf("it is there already"), Hint: "choose another path"}
		} else if err != nil {
			err = fileFailed(op, path, err)
		}
	}()
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	if err := ownPlace(op, path); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(temp.Name())) }()
	// 0600 whatever the umask: SQLite gives the files beside it the same. Closed before
	// SQLite opens it: closing it later would drop SQLite's locks.
	if err := errors.Join(temp.Chmod(0o600), temp.Close()); err != nil {
		return err
	}
	if err := fill(temp.Name()); err != nil {
		return err
	}
	if err := syncPath(temp.Name()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil { // unlike a rename, it never replaces
		return err
	}
	return syncPath(filepath.Dir(path))
}

// removeAll removes a database; after a failure files are left beside it.
func removeAll(path string) error {
	for _, beside := range sidecars(path) {
		if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(path)
}

func syncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// fileFailed classifies an error of the file system like one of the database.
func fileFailed(op, path string, err error) error {
	if _, ours := errors.AsType[broker.Kind](err); ours {
		return err
	}
	e := &broker.Error{Kind: broker.Unavailable, Op: op, Object: path, Cause: reason(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = broker.NotFound
		e.Hint = "make the directory first: mkdir -p -m 700 " + filepath.Dir(path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Kind = broker.Denied
		e.Hint = "the directory must be writable: " + filepath.Dir(path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind = broker.Rejected
		e.Hint = "make room on the file system of " + path
	}
	return e
}

// reason drops the path from a path error: the broker's error names it.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
