// Package ownfile reads files that must be this user's own, or root's, and that
// nobody else can put something in the place of. It answers with *broker.Error:
// NotFound, Denied with what is wrong and how to mend it, or Unavailable.
package ownfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/keyferry/keyferry/broker"
)

// OthersMayNot is what nobody but the owner of a file may do.
type OthersMayNot struct {
	Read, Write bool
	GroupReads  bool // the file's group may read it nevertheless
}

func (o OthersMayNot) mask() fs.FileMode {
	var mask fs.FileMode
	if o.Write {
		mask |= 0o022
	}
	if o.Read {
		mask |= 0o044
	}
	if o.GroupReads {
		mask &^= 0o040
	}
	return mask
}

// Read reads a file, at most one byte more than limit. The path must name the file
// itself: a link could be made to lead elsewhere.
func Read(what, path string, rule OthersMayNot, limit int64) ([]byte, error) {
	refuse := refusal("read "+what, path)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0) //nolint:gosec // the operator names the file; O_NONBLOCK: a pipe must not hang us
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse(broker.NotFound, fs.ErrNotExist, "check the path")
	case isLink(path):
		return nil, refuse(broker.Denied, errLink, "name the file itself"+itself(path))
	case err != nil:
		return nil, refuse(broker.Denied, errors.Unwrap(err), "it must be readable for the user that runs keyferry")
	}
	defer f.Close()       //nolint:errcheck // it was only read
	info, err := f.Stat() // of the open file, not the path, which could lead elsewhere by now
	if err != nil {
		return nil, refuse(broker.Unavailable, err, "look at the system's log")
	}
	if hint, err := owned(path, info, rule); err != nil {
		return nil, refuse(broker.Denied, err, hint)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, refuse(broker.Unavailable, err, "look at the system's log")
	}
	return text, nil
}

// Code holds that a file whose code is about to be run can be changed by nobody but
// root and this user. Links are followed: libraries are named by them. NotFound is
// for the caller to say.
func Code(what, path string) error {
	refuse := refusal("load "+what, path)
	info, err := os.Stat(path)
	if err != nil {
		return refuse(broker.NotFound, errors.Unwrap(err), "check the path")
	}
	if hint, err := owned(path, info, OthersMayNot{Write: true}); err != nil {
		return refuse(broker.Denied, err, hint)
	}
	return nil
}

func refusal(op, path string) func(broker.Kind, error, string) error {
	return func(kind broker.Kind, cause error, hint string) error {
		return &broker.Error{Kind: kind, Op: op, Object: path, Cause: cause, Hint: hint}
	}
}

var errLink = errors.New("it is a symbolic link")

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// itself is where a link leads, for a hint.
func itself(link string) string {
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	return ": " + path
}

func owned(path string, info fs.FileInfo, rule OthersMayNot) (hint string, err error) {
	if !info.Mode().IsRegular() {
		return "name a file", errors.New("it is not a regular file")
	}
	if uid := Owner(info); uid != 0 && uid != os.Geteuid() {
		return "copy it, or change its owner", fmt.Errorf("it belongs to uid %d, neither to root nor to uid %d that runs this", uid, os.Geteuid())
	}
	if open := info.Mode().Perm() & rule.mask(); open != 0 {
		return mended(path, rule), fmt.Errorf("its mode %04o lets others %s", info.Mode().Perm(), may(rule))
	}
	return Place(path)
}

func mended(path string, rule OthersMayNot) string {
	if rule.Read {
		return "chmod 600 " + path
	}
	return "chmod go-w " + path
}

func may(rule OthersMayNot) string {
	if rule.Read {
		return "read or change it"
	}
	return "change it"
}

// Owner is the uid that a file belongs to.
func Owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return os.Geteuid()
}
