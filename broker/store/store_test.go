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
	storetest.Run(t, func(t storetest.TB) storetest.Open {
		path := created(t)
		return func(t storetest.TB) broker.Store { return opened(t, path) }
	})
}

// created makes a new database and returns its path.
func created(t storetest.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "keyferry-store-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "inventory.db")
	s, err := store.Create(t.Context(), store.Options{Path: path})
	must(t, err)
	must(t, s.Close())
	return path
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
