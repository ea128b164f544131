package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/keyferry/keyferry/broker"
)

// Find says which file is the config: what was asked for, else KEYFERRY_CONFIG,
// else keyferry.yaml in the working directory, else keyferry/keyferry.yaml in
// XDG_CONFIG_HOME or ~/.config. Its Misuse is NotFound too, and names the places that
// were looked at.
func Find(asked string, getenv func(string) string) (string, error) {
	if asked == "" {
		asked = getenv("KEYFERRY_CONFIG")
	}
	if asked != "" {
		return filepath.Abs(asked)
	}
	places, err := usualPlaces(getenv)
	if err != nil {
		return "", err
	}
	for _, path := range places {
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		}
	}
	return "", &broker.Error{
		Kind: broker.Misuse, Cause: fmt.Errorf("find config: %w: none of %s is there", broker.NotFound, strings.Join(places, ", ")),
		Hint: "name it with --config or KEYFERRY_CONFIG, or start with: keyferry init",
	}
}

func usualPlaces(getenv func(string) string) ([]string, error) {
	here, err := filepath.Abs("keyferry.yaml")
	if err != nil {
		return nil, fmt.Errorf("find config: %w", err)
	}
	home := getenv("XDG_CONFIG_HOME")
	if home == "" && getenv("HOME") != "" {
		home = filepath.Join(getenv("HOME"), ".config")
	}
	if !filepath.IsAbs(home) {
		return []string{here}, nil
	}
	return []string{here, filepath.Join(home, "keyferry", "keyferry.yaml")}, nil
}

// Load reads the file at path. Misuse where it is not there, which is NotFound too;
// Denied where others may change it; Misuse, holding *FileError, for what it says.
func Load(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find config: %w", err)
	}
	text, err := ReadGuarded("config", path, OthersMayNot{Write: true, Read: true, GroupReads: true})
	if errors.Is(err, broker.NotFound) {
		return nil, &broker.Error{
			Kind: broker.Misuse, Cause: fmt.Errorf("read config %s: %w: %w", path, broker.NotFound, fs.ErrNotExist),
			Hint: "check the path, or start with: keyferry init --config " + path,
		}
	}
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

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

// ReadGuarded reads a file that must belong to this user or to root, in a path
// that others cannot change. What is refused is Denied and says how to mend it.
func ReadGuarded(what, path string, rule OthersMayNot) ([]byte, error) {
	fail := func(kind broker.Kind, cause error, hint string) ([]byte, error) {
		return nil, &broker.Error{Kind: kind, Op: "read " + what, Object: path, Cause: cause, Hint: hint}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; O_NONBLOCK: a pipe must not hang us
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(broker.NotFound, fs.ErrNotExist, "check the path")
	case err != nil:
		return fail(broker.Denied, errors.Unwrap(err), "it must be readable for the user that runs keyferry")
	}
	defer f.Close() //nolint:errcheck // it was only read
	if hint, err := guarded(f, path, rule); err != nil {
		return fail(broker.Denied, err, hint)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return fail(broker.Unavailable, err, "look at the system's log")
	}
	return text, nil
}

// guarded asks the open file, not the path, which could lead elsewhere by now.
func guarded(f *os.File, path string, rule OthersMayNot) (hint string, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "name a file", errors.New("it is not a regular file")
	}
	if uid := owner(info); uid != 0 && uid != os.Geteuid() {
		return "copy it, or change its owner", fmt.Errorf("it belongs to uid %d, neither to root nor to uid %d that runs this", uid, os.Geteuid())
	}
	if open := info.Mode().Perm() & rule.mask(); open != 0 {
		return "chmod 600 " + path, fmt.Errorf("its mode %04o lets others read or change it", info.Mode().Perm())
	}
	return guardedDirs(path)
}

// guardedDirs refuses a path through a directory where everybody may replace
// what is in it.
func guardedDirs(path string) (hint string, err error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	for dir := filepath.Dir(resolved); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return "", err
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return "chmod o-w " + dir, fmt.Errorf("everybody may replace what is in %s", dir)
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return os.Geteuid()
}
