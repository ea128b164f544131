package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// mostStatements is how many statements a connection keeps. There are about fifty; filters
// make more, and then those go that were not run for the longest time.
const mostStatements = 128

// connector opens connections that keep the statements they have prepared: a fifth of what
// short transactions cost is parsing the same texts again.
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	whole, ok := plain.(connection)
	if !ok {
		return nil, fmt.Errorf("the SQLite driver's connection is a %T, which lacks what is used of it", plain)
	}
	return &conn{connection: whole, kept: map[string]*statement{}}, nil
}

// connection is what database/sql uses of the driver's.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is used by one goroutine at a time, as database/sql promises.
type conn struct {
	connection
	kept map[string]*statement
	runs int // of kept statements, so far
}

// statement is one that was prepared; busy while its rows are read.
type statement struct {
	able
	busy bool
	last int // of the connection's runs
}

// able is what is used of the driver's.
type able interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statement is the one kept for a text; nil where it is to be run as it comes.
func (c *conn) statement(ctx context.Context, text string) (*statement, error) {
	c.runs++
	if s, ok := c.kept[text]; ok {
		if s.busy {
			return nil, nil
		}
		s.last = c.runs
		return s, nil
	}
	if !lasting(text) {
		return nil, nil
	}
	if room, err := c.makeRoom(); err != nil || !room {
		return nil, err
	}
	plain, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s, ok := plain.(able)
	if !ok {
		return nil, plain.Close()
	}
	c.kept[text] = &statement{able: s, last: c.runs}
	return c.kept[text], nil
}

// makeRoom lets the statement go that was not run for the longest time, where there are as
// many as are kept. Without room, all of them are busy.
func (c *conn) makeRoom() (room bool, err error) {
	if len(c.kept) < mostStatements {
		return true, nil
	}
	oldest := ""
	for text, s := range c.kept {
		if !s.busy && (oldest == "" || s.last < c.kept[oldest].last) {
			oldest = text
		}
	}
	if oldest == "" {
		return false, nil
	}
	s := c.kept[oldest]
	delete(c.kept, oldest)
	return true, s.Close()
}

// lasting statements mean the same each time they are run. A PRAGMA does not: it acts while
// it is prepared.
func lasting(text string) bool {
	verb := text
	if end := strings.IndexAny(text, " \t\n"); end > 0 {
		verb = text[:end]
	}
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE":
		return true
	default:
		return false
	}
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.ExecContext(ctx, text, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.connection.QueryContext(ctx, text, args)
	}
	found, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &rows{Rows: found, of: s}, nil
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	var err error
	for _, s := range c.kept {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, c.connection.Close())
}

// rows gives its statement back when it is closed.
type rows struct {
	driver.Rows
	of *statement
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
