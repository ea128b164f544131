package ownfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place refuses a path on which somebody else could put another file where the last
// name leads: through a directory of everybody's, a directory of another user's that
// it is in, or a link of another user's. Its error comes with how to mend it. The
// file need not be there.
func Place(path string) (hint string, err error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "check the path", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if hint, err := ownLink(at); err != nil {
			return hint, err
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	if hint, err := ownDir(resolved); err != nil {
		return hint, err
	}
	for at := resolved; ; at = filepath.Dir(at) {
		if hint, err := closedDir(at); err != nil || at == filepath.Dir(at) {
			return hint, err
		}
	}
}

// ownLink: who owns a link may lead it elsewhere.
func ownLink(path string) (hint string, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "check the path", err
	}
	if uid := Owner(info); info.Mode()&fs.ModeSymlink != 0 && uid != 0 && uid != os.Geteuid() {
		return "name a path without it", fmt.Errorf("%s is a link of uid %d, who may lead it elsewhere", path, uid)
	}
	return "", nil
}

// ownDir: who owns a directory may replace what is in it. Only that of the file itself is
// asked for: in a container the upper ones may belong to uids that are not known there.
func ownDir(dir string) (hint string, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "check the path", err
	}
	if uid := Owner(info); uid != 0 && uid != os.Geteuid() {
		return fmt.Sprintf("chown %d %s", os.Geteuid(), dir), fmt.Errorf("%s belongs to uid %d, who may replace what is in it", dir, uid)
	}
	return "", nil
}

// closedDir: where everybody may write, only the sticky bit keeps them from replacing
// what is there.
func closedDir(dir string) (hint string, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "check the path", err
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return "chmod o-w " + dir, fmt.Errorf("everybody may replace what is in %s", dir)
	}
	return "", nil
}
