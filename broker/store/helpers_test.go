package store_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	"github.com/keyferry/keyferry/broker/store/storetest"
)

// noon is when tests happen.
func noon() time.Time { return time.Date(2031, 5, 17, 12, 0, 0, 0, time.UTC) }

// numbered is a change that inserts a key.
func numbered(n int) broker.Change {
	name := fmt.Sprintf("key-%06d", n)
	return broker.Change{
		Entry:      broker.Entry{At: noon(), Event: "import.begun", Key: name},
		NewKey:     &broker.Key{ID: "id-" + name, Name: name, CreatedAt: noon(), Tags: map[string]string{"team": "pay"}},
		NewVersion: &broker.KeyVersion{KeyID: "id-" + name, Number: 1, State: broker.Active, Retain: broker.RetainToken, CreatedAt: noon()},
		Placements: []broker.Placement{{KeyID: "id-" + name, Number: 1, Target: "aws", Step: broker.PlacementActive, Consumer: "alias/" + name}},
		Seal:       func(h broker.Head) ([]byte, error) { return h.Record(), nil },
	}
}

// sample is a database with some records.
func sample(t storetest.TB) string {
	t.Helper()
	path := created(t)
	s := opened(t, path)
	for n := range 20 {
		_, err := s.Apply(t.Context(), numbered(n))
		must(t, err)
	}
	must(t, s.Close())
	return path
}

// explains holds that an error tells a person what happened, to what, why, that
// nothing was changed, and what to do.
func explains(t storetest.TB, err error, kind broker.Kind, object string, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*broker.Error](err)
	if !ok {
		t.Fatalf("%v: not an error of the broker", err)
	}
	if e.Kind != kind || broker.KindOf(err) != kind {
		t.Errorf("%v: kind %s, want %s", err, e.Kind, kind)
	}
	if e.Op == "" || e.Cause == nil || e.Hint == "" || e.Changed != "" || !strings.Contains(e.Object, object) {
		t.Errorf("%#v: says too little, or not of %s", e, object)
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+" | "+e.Hint, word) {
			t.Errorf("%v (%s): does not say %q", err, e.Hint, word)
		}
	}
}

// openFails opens what must not open, and holds that the attempt changed nothing.
func openFails(t storetest.TB, path string, kind broker.Kind, words ...string) {
	t.Helper()
	for _, readOnly := range []bool{false, true} {
		before := contents(t, filepath.Dir(path))
		s, err := store.Open(t.Context(), store.Options{Path: path, ReadOnly: readOnly, Wait: time.Millisecond})
		if err == nil {
			t.Fatalf("it opened: %v", s.Close())
		}
		explains(t, err, kind, path, words...)
		if after := contents(t, filepath.Dir(path)); before != after {
			t.Errorf("to fail to open it changed files:\n%s\n%s", before, after)
		}
	}
}

// contents lists the files of a directory with what is in them. The -shm file is
// no content: readers keep their marks there.
func contents(t storetest.TB, dir string) string {
	t.Helper()
	entries, _ := os.ReadDir(dir) // what cannot be listed was not changed either
	var b strings.Builder
	for _, e := range entries {
		var text []byte
		if strings.HasSuffix(e.Name(), "-shm") || strings.HasSuffix(e.Name(), "-wal") && empty(e) {
			continue
		}
		if e.Type().IsRegular() {
			text, _ = os.ReadFile(filepath.Join(dir, e.Name())) // where it cannot be read its name will do
		}
		fmt.Fprintf(&b, "%s %s %d %x\n", e.Name(), e.Type(), len(text), sum(text))
	}
	return b.String()
}

func empty(e os.DirEntry) bool {
	info, err := e.Info()
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// raw opens a database around the store.
func raw(t storetest.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(2000)")
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// change changes a database around the store.
func change(t storetest.TB, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	must(t, db.Close())
}

// child is this test program again, as another process. role is in roles.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
	stdin io.Closer
}

func startChild(t storetest.TB, role, path string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], role, path)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return &child{cmd, bufio.NewScanner(out), in}
}

// line is the next line the child printed.
func (c *child) line(t storetest.TB) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("the child ended: %v", c.lines.Err())
	}
	return c.lines.Text()
}
