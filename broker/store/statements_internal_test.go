package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// kept counts what a pool's one connection keeps.
func kept(t *testing.T, c *sql.Conn) (n int) {
	t.Helper()
	err := c.Raw(func(plain any) error {
		n = len(plain.(*conn).kept) //nolint:forcetypeassert // a panic is a failure
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func oneConn(t *testing.T) *sql.Conn {
	t.Helper()
	s, err := Create(t.Context(), Options{Path: filepath.Join(t.TempDir(), "k.db")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestAStatementIsPreparedOnce(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	before := kept(t, c)
	for i := range 10 {
		var got int
		if err := c.QueryRowContext(t.Context(), "SELECT ? + 1", i).Scan(&got); err != nil || got != i+1 {
			t.Errorf("%d + 1 is %d, %v", i, got, err)
		}
		if _, err := c.ExecContext(t.Context(), "PRAGMA synchronous = FULL"); err != nil {
			t.Error(err)
		}
	}
	if n := kept(t, c) - before; n != 1 {
		t.Errorf("%d statements are kept, not the one that lasts", n)
	}
}

// The rows of a statement that is run again meanwhile are its own.
func TestAStatementRunTwiceAtOnce(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	const count = "SELECT value FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3) WHERE value >= ? ORDER BY value"
	outer, err := c.QueryContext(t.Context(), count, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close() //nolint:errcheck // Err below
	var got []string
	for outer.Next() {
		var a, b int
		if err := outer.Scan(&a); err != nil {
			t.Fatal(err)
		}
		if err := c.QueryRowContext(t.Context(), count, 3).Scan(&b); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(a, b))
	}
	if fmt.Sprint(got) != "[1 3 2 3 3 3]" || outer.Err() != nil {
		t.Errorf("read %v, %v", got, outer.Err())
	}
}

func TestAFailedStatementIsRunAgain(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	const insert = "INSERT INTO leases (name, holder, until) VALUES (?, 'me', 1)"
	for i, name := range []string{"a", "a", "b", "a", "c"} {
		_, err := c.ExecContext(t.Context(), insert, name)
		if taken := i == 1 || i == 3; (err != nil) != taken {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestNoMoreStatementsThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	for i := range 2 * mostStatements {
		var got int
		if err := c.QueryRowContext(t.Context(), fmt.Sprintf("SELECT %d", i)).Scan(&got); err != nil || got != i {
			t.Errorf("%d is %d, %v", i, got, err)
		}
	}
	if n := kept(t, c); n != mostStatements {
		t.Errorf("%d are kept", n)
	}
}
