package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	"github.com/keyferry/keyferry/broker/store/storetest"
)

func TestOpenMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openFails(t, filepath.Join(dir, "no.db"), broker.NotFound, "no such file", "keyferry init")
	openFails(t, filepath.Join(dir, "no", "dir.db"), broker.NotFound, "no such file", "keyferry init")
	plain := filepath.Join(dir, "plain")
	must(t, os.WriteFile(plain, nil, 0o600))
	openFails(t, filepath.Join(plain, "below.db"), broker.Denied, "not a directory", "check the path")
}

func TestOpenWhatIsNoFile(t *testing.T) {
	t.Parallel()
	path := sample(t)
	dir := filepath.Dir(path)
	link, pipe := filepath.Join(dir, "link.db"), filepath.Join(dir, "pipe.db")
	must(t, os.Symlink(path, link))
	must(t, syscall.Mkfifo(pipe, 0o600))
	openFails(t, link, broker.Denied, "symbolic link", "name the file itself")
	below := filepath.Join(dir, "below")
	must(t, os.Mkdir(below, 0o700))
	openFails(t, below, broker.Denied, "no regular file", "check the path")
	openFails(t, pipe, broker.Denied, "no regular file", "check the path")
}

func TestOpenLetsNobodyElseIn(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601, 0o777, 0o620} {
		path := sample(t)
		must(t, os.Chmod(path, mode))
		openFails(t, path, broker.Denied, fmt.Sprintf("%04o", mode), "chmod 600 "+path)
		must(t, os.Chmod(path, 0o600))
		must(t, opened(t, path).Close())
	}
}

// What stands beside a database is read as a part of it.
func TestOpenLooksBeside(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		path := sample(t)
		must(t, os.Symlink(path, path+suffix))
		openFails(t, path, broker.Denied, "symbolic link")
		must(t, os.Remove(path+suffix))
		must(t, os.WriteFile(path+suffix, nil, 0o600))
		must(t, os.Chmod(path+suffix, 0o666))
		openFails(t, path, broker.Denied, "0666", "chmod 600")
	}
}

func TestOpenOtherUsersFile(t *testing.T) {
	t.Parallel()
	path := "/etc/passwd" // root's
	if os.Geteuid() == 0 {
		path = sample(t)
		must(t, os.Chown(path, 65534, 65534))
	}
	_, err := store.Open(t.Context(), store.Options{Path: path})
	explains(t, err, broker.Denied, path, "belongs to uid", "run keyferry as its owner")
}

// Who may put another file there may put another inventory there.
func TestPlaceThatIsNotOurs(t *testing.T) {
	t.Parallel()
	path := sample(t)
	dir := filepath.Dir(path)
	refused := func(words ...string) {
		t.Helper()
		openFails(t, path, broker.Denied, words...)
		_, err := store.Create(t.Context(), store.Options{Path: path + ".new"})
		explains(t, err, broker.Denied, path+".new", words...)
	}
	must(t, os.Chmod(dir, 0o777))
	refused("everybody may replace what is in "+dir, "chmod o-w "+dir)
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	must(t, opened(t, path).Check(t.Context()))
	must(t, os.Chmod(dir, 0o700))
	s := opened(t, path)
	open := filepath.Join(dir, "open")
	must(t, errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)))
	explains(t, s.Backup(t.Context(), filepath.Join(open, "copy.db")), broker.Denied, "copy.db", "everybody may replace what is in "+open)
	must(t, s.Close())
	if os.Geteuid() == 0 {
		must(t, os.Chown(dir, 65534, -1))
		refused(dir+" belongs to uid 65534", "chown 0 "+dir)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := created(t)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	onlyFile(t, path)
	must(t, opened(t, path).Check(t.Context()))
}

// onlyFile holds that nothing but a database and what belongs to it is in its
// directory.
func onlyFile(t storetest.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		switch e.Name() {
		case filepath.Base(path), filepath.Base(path) + "-wal", filepath.Base(path) + "-shm":
		default:
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	t.Parallel()
	path := sample(t)
	link, dangling := path+".link", path+".dangling"
	must(t, os.Symlink(path, link))
	must(t, os.Symlink(path+".none", dangling))
	before := contents(t, filepath.Dir(path))
	for _, at := range []string{path, link, dangling, filepath.Dir(path)} {
		_, err := store.Create(t.Context(), store.Options{Path: at})
		explains(t, err, broker.Conflict, at, "it is there already", "another path")
	}
	if after := contents(t, filepath.Dir(path)); before != after {
		t.Errorf("files changed:\n%s\n%s", before, after)
	}
}

func TestCreateWhereNoDirectoryIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "no", "inventory.db")
	_, err := store.Create(t.Context(), store.Options{Path: path})
	explains(t, err, broker.NotFound, path, "no such file", "mkdir -p -m 700 "+filepath.Dir(path))
}

// Of several who create the same database at once, one does; nobody sees half of it.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	answers := make(chan error)
	for range 4 {
		go func() {
			s, err := store.Create(t.Context(), store.Options{Path: path})
			if err == nil {
				err = s.Close()
			}
			answers <- err
		}()
	}
	made := 0
	for range 4 {
		if err := <-answers; err == nil {
			made++
		} else {
			explains(t, err, broker.Conflict, path, "it is there already")
		}
	}
	if made != 1 {
		t.Errorf("%d made it, want 1", made)
	}
	onlyFile(t, path)
}

func TestPathsWithOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "50%41.db", "a?mode=memory", "ä#b.db", "x&y=z", ":memory:", "-wal"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := store.Create(t.Context(), store.Options{Path: path})
		must(t, err)
		_, err = s.Apply(t.Context(), numbered(1))
		must(t, err)
		must(t, s.Close())
		onlyFile(t, path)
		_, err = opened(t, path).Key(t.Context(), "key-000001")
		must(t, err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s, err := store.Open(t.Context(), store.Options{Path: path, ReadOnly: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	_, err = s.Key(t.Context(), "key-000001")
	must(t, err)
	_, err = s.Apply(t.Context(), numbered(100))
	explains(t, err, broker.Denied, path, "read")
	explains(t, s.Lease(t.Context(), leaseFor("me")), broker.Denied, path, "read")
	other := opened(t, path) // others write meanwhile
	_, err = other.Apply(t.Context(), numbered(100))
	must(t, err)
	_, err = s.Key(t.Context(), "key-000100")
	must(t, err)
}

func TestInfo(t *testing.T) {
	t.Parallel()
	path := sample(t)
	s := opened(t, path)
	got, err := s.Info(t.Context())
	must(t, err)
	if got.Size < 50_000 {
		t.Errorf("size %d: what is beside the file is not counted", got.Size)
	}
	want := store.Info{Path: path, Schema: 5, Keys: 20, Versions: 20, Placements: 20, Entries: 20, Heads: 20, Size: got.Size}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !strings.HasPrefix(got.Path, "/") {
		t.Errorf("path %s is not in full", got.Path)
	}
}
