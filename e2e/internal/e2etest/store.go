package e2etest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver, to do to a store what the program would not
)

// Lock holds a store as another program would, until the returned function. A store that
// is written to just now is waited for.
func Lock(ctx context.Context, path string) (unlock func() error, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return nil, errors.Join(fmt.Errorf("lock store: %w", err), db.Close())
	}
	return func() error {
		_, err := db.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
		return errors.Join(err, db.Close())
	}, nil
}
