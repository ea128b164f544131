package store

import (
	"context"
	"database/sql"
	"iter"

	"github.com/keyferry/keyferry/broker"
)

// where collects the conditions of a query and their arguments.
type where struct {
	text string
	args []any
}

func (w *where) and(condition string, args ...any) {
	if w.text == "" {
		w.text = " WHERE " + condition
	} else {
		w.text += " AND " + condition
	}
	w.args = append(w.args, args...)
}

func (w *where) sql() string { return w.text }

// each yields what scan makes of each row. The rows are closed when the loop ends,
// however it ends.
func each[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := s.read.QueryContext(ctx, query, args...)
		if err != nil {
			yield(none, s.explained(ctx, "read", err))
			return
		}
		defer rows.Close() //nolint:errcheck // rows.Err below says what went wrong; after an early break nobody is left to tell
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				yield(none, s.explained(ctx, "read", undecodable(s.path, err)))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, s.explained(ctx, "read", err))
		}
	}
}

// grouped yields what several rows that follow each other make together. scan
// adds its row to the *T it is given, or starts the next one.
func grouped[T any](ctx context.Context, s *Store, scan func(rows *sql.Rows, cur *T) (*T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cur *T
		step := func(rows *sql.Rows) (done *T, err error) {
			row, err := scan(rows, cur)
			if row != cur {
				done, cur = cur, row
			}
			return done, err
		}
		for done, err := range each(ctx, s, step, query, args...) {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if done != nil && !yield(*done, nil) {
				return
			}
		}
		if cur != nil {
			yield(*cur, nil)
		}
	}
}

// only is the one thing a query by identity finds.
func only[T any](found iter.Seq2[T, error], what string) (T, error) {
	for v, err := range found {
		return v, err
	}
	var none T
	return none, &broker.Error{Kind: broker.NotFound, Op: "find", Object: what}
}

// all collects what a query finds.
func all[T any](found iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for v, err := range found {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
