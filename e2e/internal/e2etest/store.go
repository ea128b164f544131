package e2etest

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	_ "modernc.org/sqlite" // the driver, to do to a store what the program would not
)

// Lock holds a store as another program would, until the returned function. A store that
// is written to just now is waited for.
func Lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)")
	fatal(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	fatal(t, err)
	return func() {
		_, err := db.ExecContext(context.WithoutCancel(t.Context()), `ROLLBACK`)
		check(t, errors.Join(err, db.Close()))
	}
}
