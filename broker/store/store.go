// Package store keeps the broker's inventory, operations and audit in one SQLite
// file. Every write is one transaction on one connection, synced to disk before
// it returns (WAL, synchronous FULL) unless it is soft; those that wait for each other
// become one transaction. Reads go through a pool of their own and
// see the state of one moment. Queries are plain SQL with ? for arguments; what
// only SQLite knows is in sqlite.go and in migrations/sqlite.
//
// Its errors are *broker.Error: NotFound, Conflict, Denied, Rejected,
// Unavailable, Misuse for an incomplete change, and Tampered for an audit text
// that nobody could have written through this package. None of them leaves a
// part of a change behind.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// defaultWait is how long a locked database is waited for.
const defaultWait = 5 * time.Second

// Options say which database to open.
type Options struct {
	// Path of the file. Its directory must exist.
	Path string
	// ReadOnly refuses every write with Denied, and never upgrades the schema.
	ReadOnly bool
	// Wait is how long a database that another process has locked is waited for;
	// 0 is five seconds.
	Wait time.Duration
}

// Store is a broker.Store on an SQLite file. It is safe for concurrent use by
// goroutines and by processes; Close it after the last use.
type Store struct {
	path  string
	write *sql.DB // one connection
	read  *sql.DB
	queue *queue // for write
}

var _ broker.Store = (*Store)(nil)

// Open opens the database that Create made, and brings its schema up to date. A
// missing file is NotFound: a mistyped path makes no new inventory. A file that
// is a link, another user's, or open to others is Denied; one with a newer schema
// or of another program is Rejected.
func Open(ctx context.Context, o Options) (*Store, error) {
	path, err := checkFile(o)
	if err != nil {
		return nil, err
	}
	o.Path = path
	s, err := connect(o)
	if err != nil {
		return nil, err
	}
	if err := s.upgrade(ctx, o.ReadOnly); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Create makes a new, empty database, readable by its owner only, and opens it.
// Conflict when something is at the path. A process killed on the way leaves
// nothing there.
func Create(ctx context.Context, o Options) (*Store, error) {
	err := newFile("create database", o.Path, func(path string) error {
		s, err := connect(Options{Path: path, Wait: o.Wait})
		if err != nil {
			return err
		}
		return errors.Join(s.migrate(ctx), s.Close())
	})
	if err != nil {
		return nil, err
	}
	return Open(ctx, o)
}

func connect(o Options) (*Store, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("find database %s: %w", o.Path, err)
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	read, err := openPool(path, true, o.Wait)
	if err != nil {
		return nil, failed("open database", path, err)
	}
	write, err := openPool(path, o.ReadOnly, o.Wait)
	if err != nil {
		return nil, failed("open database", path, errors.Join(err, read.Close()))
	}
	write.SetMaxOpenConns(1)
	return &Store{path: path, write: write, read: read, queue: newQueue()}, nil
}

// Close waits for running statements and closes the file.
func (s *Store) Close() error {
	if err := errors.Join(s.read.Close(), s.write.Close()); err != nil {
		return failed("close database", s.path, err)
	}
	return nil
}

// inTx runs f in a write transaction that is committed when f returns nil. What
// f returns is returned; an error of the database becomes the broker's.
func (s *Store) inTx(ctx context.Context, soft bool, f func(*sql.Tx) error) (err error) {
	defer func() { err = s.explained(ctx, "write to", err) }()
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // back to the pool
	if _, err := conn.ExecContext(ctx, syncing(soft)); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo(tx)) }() // also when f panics: there is one connection
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// undo rolls back; a transaction that was committed, or that its context has ended
// already, is no error.
func undo(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// explained makes err the broker's own. A context that ended is the reason for
// whatever the database says then.
func (s *Store) explained(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil {
		return &broker.Error{Kind: broker.Unavailable, Op: op, Object: s.path, Cause: ctx.Err()}
	}
	return failed(op, s.path, err)
}
