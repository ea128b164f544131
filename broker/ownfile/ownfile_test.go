package ownfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/ownfile"
)

const stranger = 12345

func secret() ownfile.OthersMayNot { return ownfile.OthersMayNot{Read: true, Write: true} }

// file writes one, below a directory of the test's own.
func file(t *testing.T, mode os.FileMode, below ...string) string {
	t.Helper()
	path := filepath.Join(append(append([]string{t.TempDir()}, below...), "file")...)
	try(t, os.MkdirAll(filepath.Dir(path), 0o700))
	try(t, os.WriteFile(path, []byte("text"), 0o600))
	try(t, os.Chmod(path, mode))
	return path
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused holds that an error says why, and what to do.
func refused(t *testing.T, err error, kind broker.Kind, path string, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*broker.Error](err)
	if !ok || e.Kind != kind || e.Object != path {
		t.Fatalf("%v, want %s of %s: %+v", err, kind, path, e)
	}
	for _, word := range words {
		if !strings.Contains(e.Error()+"; "+e.Hint, word) {
			t.Errorf("%v (%s): %q is not said", err, e.Hint, word)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule ownfile.OthersMayNot
		mode os.FileMode
		ok   bool
	}{
		{secret(), 0o600, true},
		{secret(), 0o400, true},
		{secret(), 0o640, false},
		{secret(), 0o604, false},
		{secret(), 0o620, false},
		{secret(), 0o602, false},
		{ownfile.OthersMayNot{Read: true, Write: true, GroupReads: true}, 0o640, true},
		{ownfile.OthersMayNot{Read: true, Write: true, GroupReads: true}, 0o660, false},
		{ownfile.OthersMayNot{Read: true, Write: true, GroupReads: true}, 0o644, false},
		{ownfile.OthersMayNot{Write: true}, 0o644, true},
		{ownfile.OthersMayNot{Write: true}, 0o664, false},
		{ownfile.OthersMayNot{Write: true}, 0o646, false},
	} {
		path := file(t, c.mode)
		text, err := ownfile.Read("PIN file", path, c.rule, 100)
		switch {
		case c.ok && (err != nil || string(text) != "text"):
			t.Errorf("%+v %04o: %q, %v", c.rule, c.mode, text, err)
		case !c.ok:
			refused(t, err, broker.Denied, path, "lets others", "chmod ")
		}
	}
}

func TestReadsOneByteMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	text, err := ownfile.Read("file", file(t, 0o600), secret(), 2)
	if err != nil || string(text) != "tex" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	path := file(t, 0o600)
	dir := filepath.Dir(path)
	pipe, link, dangling := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	try(t, syscall.Mkfifo(pipe, 0o600))
	try(t, os.Symlink(path, link))
	try(t, os.Symlink(path+".none", dangling))
	read := func(path string) error { _, err := ownfile.Read("PIN file", path, secret(), 100); return err }
	refused(t, read(path+".none"), broker.NotFound, path+".none", "file does not exist", "check the path")
	refused(t, read(dir), broker.Denied, dir, "not a regular file", "name a file")
	refused(t, read(pipe), broker.Denied, pipe, "not a regular file", "name a file")
	refused(t, read(link), broker.Denied, link, "symbolic link", "name the file itself: "+path)
	refused(t, read(dangling), broker.Denied, dangling, "symbolic link", "name the file itself")
	// A link on the way is no link in place of the file: this is how secrets are mounted.
	way := filepath.Join(dir, "way")
	try(t, os.Symlink(dir, way))
	if err := read(filepath.Join(way, "file")); err != nil {
		t.Errorf("by a link of our own on the way: %v", err)
	}
}

func TestPlaceOfEverybodys(t *testing.T) {
	t.Parallel()
	path := file(t, 0o600, "open", "below")
	open := filepath.Dir(filepath.Dir(path))
	read := func(path string) error { _, err := ownfile.Read("PIN file", path, secret(), 100); return err }
	try(t, os.Chmod(open, 0o777))
	refused(t, read(path), broker.Denied, path, "everybody may replace what is in "+open, "chmod o-w "+open)
	hint, err := ownfile.Place(filepath.Join(open, "below", "to come"))
	if err == nil || hint != "chmod o-w "+open {
		t.Errorf("of a file that is not there: %q, %v", hint, err)
	}
	way := filepath.Join(t.TempDir(), "way")
	try(t, os.Symlink(filepath.Dir(path), way))
	refused(t, read(filepath.Join(way, "file")), broker.Denied, filepath.Join(way, "file"), "everybody may replace what is in "+open, "")
	try(t, os.Chmod(open, 0o777|os.ModeSticky))
	if err := read(path); err != nil {
		t.Errorf("with the sticky bit: %v", err)
	}
}

func TestOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can give a file away; as another user, what is root's own is tried")
		if _, err := ownfile.Read("file", "/etc/passwd", ownfile.OthersMayNot{Write: true}, 1<<20); err != nil {
			t.Errorf("root's is refused: %v", err)
		}
		return
	}
	read := func(path string) error { _, err := ownfile.Read("PIN file", path, secret(), 100); return err }
	path := file(t, 0o600)
	try(t, os.Chown(path, stranger, -1))
	refused(t, read(path), broker.Denied, path, "belongs to uid 12345", "change its owner")

	path = file(t, 0o600, "theirs")
	dir := filepath.Dir(path)
	try(t, os.Chown(dir, stranger, -1))
	refused(t, read(path), broker.Denied, path, dir+" belongs to uid 12345, who may replace what is in it", "chown 0 "+dir)

	path = file(t, 0o600, "ours")
	way := filepath.Join(t.TempDir(), "way")
	try(t, os.Symlink(filepath.Dir(path), way))
	try(t, os.Lchown(way, stranger, -1))
	way = filepath.Join(way, "file")
	refused(t, read(way), broker.Denied, way, "is a link of uid 12345, who may lead it elsewhere", "name a path without it")
}

func TestCode(t *testing.T) {
	t.Parallel()
	path := file(t, 0o755)
	link := path + ".link"
	try(t, os.Symlink(path, link))
	for _, named := range []string{path, link} {
		if err := ownfile.Code("module", named); err != nil {
			t.Errorf("%s: %v", named, err)
		}
	}
	try(t, os.Chmod(path, 0o775))
	for _, named := range []string{path, link} {
		refused(t, ownfile.Code("module", named), broker.Denied, named, "its mode 0775 lets others change it", "chmod go-w")
	}
	refused(t, ownfile.Code("module", path+".none"), broker.NotFound, path+".none", "no such file", "check the path")
	try(t, os.Chmod(path, 0o755))
	try(t, os.Chmod(filepath.Dir(path), 0o777))
	refused(t, ownfile.Code("module", link), broker.Denied, link, "everybody may replace", "chmod o-w")
}
