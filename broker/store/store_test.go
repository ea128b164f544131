package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	"github.com/keyferry/keyferry/broker/store/storetest"
)

func TestPromises(t *testing.T) {
	t.Parallel()
	empty, err := os.ReadFile(created(t))
	must(t, err)
	storetest.Run(t, func(t storetest.TB) storetest.Open {
		path := newPath(t)
		must(t, os.WriteFile(path, empty, 0o600))
		return func(t storetest.TB) broker.Store { return opened(t, path) }
	})
}

// created makes a new database and returns its path.
func created(t storetest.TB) string {
	t.Helper()
	path := newPath(t)
	s, err := store.Create(t.Context(), store.Options{Path: path})
	must(t, err)
	must(t, s.Close())
	return path
}

// newPath is where nothing is yet, in a directory of its own.
func newPath(t storetest.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "keyferry-store-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "inventory.db")
}

func opened(t storetest.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t storetest.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (kind %s)", err, broker.KindOf(err))
	}
}
