package store

import (
	"context"
	"database/sql"
	"testing"
)

// Each write says for itself whether it is on the disk before it returns: one that was
// soft makes none after it so.
func TestEveryWriteSaysHowItIsSynced(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	const normal, full = 1, 2 // https://www.sqlite.org/pragma.html#pragma_synchronous
	for _, soft := range []bool{true, false, true, true, false, false} {
		want := full
		if soft {
			want = normal
		}
		if got := syncedBy(t, s, soft); got != want {
			t.Errorf("soft %v: synchronous is %d, want %d", soft, got, want)
		}
	}
}

func syncedBy(t *testing.T, s *Store, soft bool) (level int) {
	t.Helper()
	err := s.inTx(t.Context(), soft, func(tx *sql.Tx) error {
		return tx.QueryRowContext(context.WithoutCancel(t.Context()), "PRAGMA synchronous").Scan(&level)
	})
	if err != nil {
		t.Fatal(err)
	}
	return level
}
