package store

import (
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keyferry/keyferry/broker"
)

// What only SQLite knows is in this file.

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

const (
	migrationsDir = "migrations/sqlite"
	dialect       = goose.DialectSQLite3
	damagedHint   = "restore a backup (keyferry store backup makes them)"
	// mostIdle connections wait for the next statement: about as many as runs go side by
	// side that read at one moment.
	mostIdle = 4
	// cacheKiB is what each connection may keep of the file in memory; the system keeps it anyway.
	cacheKiB = 512
	// applicationID is "KFRY", set by the first migration.
	applicationID = 0x4b465259
	// tagsOf is a key's tags as one JSON object.
	tagsOf = `(SELECT json_group_object(t.name, t.value) FROM key_tags t WHERE t.key_id = k.id)`
)

// openPool prepares a pool; a connection is made at its first use. The pragmas
// are in the DSN because they must hold on every connection. Without
// _txlock=immediate, two transactions that read and then write fail each other
// however long they wait.
func openPool(path string, readOnly bool, wait time.Duration) (*sql.DB, error) {
	q := url.Values{
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()),
			"foreign_keys(1)", "synchronous(FULL)", "trusted_schema(0)", fmt.Sprintf("cache_size(-%d)", cacheKiB),
		},
		"_error_rc": {"1"}, "_defensive": {"1"}, "_dqs": {"0"},
	}
	if readOnly {
		q.Set("mode", "ro")
	} else {
		q.Set("mode", "rw")
		q.Set("_txlock", "immediate")
		q.Add("_pragma", "journal_mode(WAL)")
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	plain, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector{plain})
	pool.SetMaxIdleConns(mostIdle)
	return pool, nil
}

// syncing says whether the next commit is on the disk before it returns. In WAL mode a
// later one that is takes all before it along, and what is lost with the power is lost
// from the end, never from the middle (https://www.sqlite.org/pragma.html#pragma_synchronous).
func syncing(soft bool) string {
	if soft {
		return "PRAGMA synchronous = NORMAL"
	}
	return "PRAGMA synchronous = FULL"
}

// failed makes an error of the database the broker's: the one table of what
// SQLite's result codes mean (https://www.sqlite.org/rescode.html). What is the
// broker's already stays as it is.
func failed(op, object string, err error) error {
	if _, ours := errors.AsType[broker.Kind](err); ours || err == nil {
		return err
	}
	e := &broker.Error{Kind: broker.Unavailable, Op: op, Object: object, Cause: err}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return e
	}
	if lite.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // what belongs beside it cannot grow
		e.Cause, e.Kind, e.Hint = fmt.Errorf("the disk is full: %w", err), broker.Rejected, roomHint(object)
		return e
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		e.Hint = "another process holds the database; let it finish, then try again"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN:
		e.Kind = broker.Denied
		e.Hint = "the database and its directory must be writable for the user that runs keyferry, and not mounted read-only"
	case sqlite3.SQLITE_FULL:
		e.Kind = broker.Rejected
		e.Hint = roomHint(object)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR:
		// The statements are fixed and tested: one that fails met a file that is not
		// what it was written for.
		e.Kind = broker.Rejected
		e.Hint = damagedHint
	case sqlite3.SQLITE_IOERR:
		e.Hint = "the disk or file system failed; look at the system's log"
	}
	return e
}

func roomHint(path string) string {
	return "make room on the file system of " + path + ", then try again"
}

// undecodable is a row of which the database says nothing bad, and which this
// program did not write.
func undecodable(path string, err error) error {
	_, ours := errors.AsType[broker.Kind](err)
	_, theirs := errors.AsType[*sqlite.Error](err)
	if ours || theirs {
		return err
	}
	return &broker.Error{
		Kind: broker.Rejected, Op: "read", Object: path, Cause: fmt.Errorf("a row is damaged: %w", err), Hint: damagedHint,
	}
}

// brokenPromise says what it means that a constraint of the schema refused a
// statement; ok is false for every other error.
func brokenPromise(err error) (kind broker.Kind, ok bool) {
	var lite *sqlite.Error
	if !errors.As(err, &lite) || lite.Code()&0xff != sqlite3.SQLITE_CONSTRAINT {
		return "", false
	}
	switch lite.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return broker.Conflict, true
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return broker.NotFound, true
	default:
		return broker.Rejected, true
	}
}
