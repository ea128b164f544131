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

// fresh is a new store, closed when the test ends.
func fresh(t *testing.T) *Store {
	t.Helper()
	s, err := Create(t.Context(), Options{Path: filepath.Join(t.TempDir(), "k.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func oneConn(t *testing.T) *sql.Conn {
	t.Helper()
	s := fresh(t)
	c, err := s.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
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
		for _, text := range []string{"SELECT ? + 1", "SELECT\n\t? + 1"} {
			if err := c.QueryRowContext(t.Context(), text, i).Scan(&got); err != nil || got != i+1 {
				t.Errorf("%d + 1 is %d, %v", i, got, err)
			}
		}
		if _, err := c.ExecContext(t.Context(), "PRAGMA synchronous = FULL"); err != nil {
			t.Error(err)
		}
	}
	if n := kept(t, c) - before; n != 2 {
		t.Errorf("%d statements are kept, not the two that last", n)
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

// keeps reports whether a text is among what is kept.
func keeps(t *testing.T, c *sql.Conn, text string) (ok bool) {
	t.Helper()
	err := c.Raw(func(plain any) error {
		_, ok = plain.(*conn).kept[text] //nolint:forcetypeassert // a panic is a failure
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func selects(t *testing.T, c *sql.Conn, i int) string {
	t.Helper()
	text, got := fmt.Sprintf("SELECT %d", i), 0
	if err := c.QueryRowContext(t.Context(), text).Scan(&got); err != nil || got != i {
		t.Errorf("%d is %d, %v", i, got, err)
	}
	return text
}

// Where there is no more room those go that were not run for the longest time: what is
// run all the time stays, and what is new is kept.
func TestNoMoreStatementsThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	often := selects(t, c, 0)
	for i := range 3 * mostStatements {
		if last := selects(t, c, i+1); !keeps(t, c, last) {
			t.Fatalf("%q is not kept", last)
		}
		selects(t, c, 0)
	}
	if n := kept(t, c); n != mostStatements || !keeps(t, c, often) || keeps(t, c, "SELECT 1") {
		t.Errorf("%d are kept, what runs all the time: %v, what was run once: %v", n, keeps(t, c, often), keeps(t, c, "SELECT 1"))
	}
}

// One whose rows are being read does not go, however long ago it was begun; where all are
// read, the next one is run as it comes.
func TestABusyStatementStays(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	const three = "SELECT value FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3) WHERE value > %d ORDER BY value"
	var reading []*sql.Rows
	for i := range mostStatements {
		r, err := c.QueryContext(t.Context(), fmt.Sprintf(three, -i))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close() //nolint:errcheck // Err below
		if !r.Next() {
			t.Fatal(r.Err())
		}
		reading = append(reading, r)
	}
	if text := selects(t, c, 7); keeps(t, c, text) || kept(t, c) != mostStatements {
		t.Errorf("%d are kept, and %q among them: %v", kept(t, c), text, keeps(t, c, text))
	}
	for i, r := range reading {
		var got []int
		for more := true; more; more = r.Next() {
			var n int
			if err := r.Scan(&n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if fmt.Sprint(got) != "[1 2 3]" || r.Err() != nil {
			t.Errorf("%d read %v, %v", i, got, r.Err())
		}
	}
	if text := selects(t, c, 8); !keeps(t, c, text) {
		t.Error("after that it is not kept")
	}
}

// A statement whose last run failed goes without a word: what failed was said then, and
// has nothing to do with the one that takes its place.
func TestAFailedStatementGoesInSilence(t *testing.T) {
	t.Parallel()
	c := oneConn(t)
	const insert = "INSERT INTO leases (name, holder, until) VALUES ('a', 'me', 1)"
	for i := range 2 {
		if _, err := c.ExecContext(t.Context(), insert); (err != nil) != (i == 1) {
			t.Errorf("%d: %v", i, err)
		}
	}
	for i := range 2 * mostStatements {
		selects(t, c, i)
	}
	if keeps(t, c, insert) {
		t.Error("it is kept")
	}
}
