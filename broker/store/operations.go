package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

func writeOperations(ctx context.Context, tx *sql.Tx, c broker.Change, seq int64) error {
	if o := c.NewOperation; o != nil {
		_, err := record{what: "operation " + o.ID}.exec(ctx, tx, `INSERT INTO operations
			(kind, state, key_id, key_name, number, targets, params, actor, reason, ticket, problem, started_at, ended_at, id, seq)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(operationColumns(*o), seq)...)
		if err != nil {
			return err
		}
	}
	if o := c.Operation; o != nil {
		return record{what: "operation " + o.ID}.replace(ctx, tx, `UPDATE operations SET
			kind = ?, state = ?, key_id = ?, key_name = ?, number = ?, targets = ?, params = ?, actor = ?,
			reason = ?, ticket = ?, problem = ?, started_at = ?, ended_at = ? WHERE id = ?`, operationColumns(*o)...)
	}
	return nil
}

func operationColumns(o broker.Operation) []any {
	o.Params.ValidTo, o.Params.ActivateAt = cut(o.Params.ValidTo), cut(o.Params.ActivateAt)
	return []any{
		o.Kind, o.State, o.KeyID, o.KeyName, o.Number,
		document{o.Targets},
		document{o.Params},
		document{o.Actor},
		o.Reason, o.Ticket, o.Problem,
		moment{&o.StartedAt},
		moment{&o.EndedAt},
		o.ID,
	}
}

func writeEffects(ctx context.Context, tx *sql.Tx, c broker.Change, seq int64) error {
	if r := c.Intent; r != nil {
		if r.Done() {
			return fmt.Errorf("%s: an intent has no result yet: %w", effectRecord(r).what, broker.Misuse)
		}
		_, err := effectRecord(r).exec(ctx, tx, `INSERT INTO effects
			(operation, target, step, intent, result, at, seq) VALUES (?, ?, ?, ?, '', ?, ?)`,
			r.Effect.Operation, r.Effect.Target, r.Effect.Step, string(r.Intent), moment{&r.At}, seq)
		if err != nil {
			return err
		}
	}
	if c.Result == nil {
		return nil
	}
	return writeResult(ctx, tx, c.Result)
}

func effectRecord(r *broker.EffectRecord) record {
	e := r.Effect
	return record{
		what:    fmt.Sprintf("effect %s at %s of operation %s", e.Step, e.Target, e.Operation),
		missing: "operation " + e.Operation,
	}
}

// writeResult sets a result once. The same one again changes nothing, not even
// when it was first known.
func writeResult(ctx context.Context, tx *sql.Tx, r *broker.EffectRecord) error {
	if !r.Done() {
		return fmt.Errorf("%s: its result is empty: %w", effectRecord(r).what, broker.Misuse)
	}
	n, err := effectRecord(r).exec(ctx, tx, `UPDATE effects SET result = ?, done_at = COALESCE(done_at, ?)
		WHERE operation = ? AND target = ? AND step = ? AND result IN ('', ?)`,
		string(r.Result), moment{&r.DoneAt}, r.Effect.Operation, r.Effect.Target, r.Effect.Step, string(r.Result))
	if err != nil || n > 0 {
		return err
	}
	return notSet(ctx, tx, r)
}

// notSet says why a result was not set.
func notSet(ctx context.Context, tx *sql.Tx, r *broker.EffectRecord) error {
	var count int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM effects WHERE operation = ? AND target = ? AND step = ?`,
		r.Effect.Operation, r.Effect.Target, r.Effect.Step).Scan(&count)
	if err != nil {
		return err
	}
	e := &broker.Error{Kind: broker.Conflict, Op: "set result of", Object: effectRecord(r).what}
	e.Cause = fmt.Errorf("it has another result already")
	if count == 0 {
		e.Kind, e.Cause = broker.NotFound, fmt.Errorf("it was never intended")
	}
	return e
}

// Operation implements broker.Store.
func (s *Store) Operation(ctx context.Context, id string) (broker.OperationView, error) {
	return only(s.operations(ctx, `SELECT * FROM operations WHERE id = ?`, id), "operation "+id)
}

// Operations implements broker.Store. Newest is what was recorded last, whatever
// the clocks said.
func (s *Store) Operations(ctx context.Context, f broker.OperationFilter) iter.Seq2[broker.OperationView, error] {
	var w where
	if f.KeyName != "" {
		w.and(`key_name = ?`, f.KeyName)
	}
	if len(f.States) > 0 {
		w.and(standing+` IN (?`+strings.Repeat(`, ?`, len(f.States)-1)+`)`, anys(f.States)...)
	}
	query := `SELECT * FROM operations` + w.sql()
	if f.Limit > 0 {
		query += ` ORDER BY seq DESC LIMIT ?`
		w.args = append(w.args, f.Limit)
	}
	return s.operations(ctx, query, w.args...)
}

// standing is broker.OperationView.Standing in SQL.
const standing = `CASE WHEN state <> 'abandoned'
	AND EXISTS (SELECT 1 FROM effects WHERE operation = operations.id AND step = 'abandon') THEN 'aborting' ELSE state END`

// operations yields the rows of a query on operations, newest first, with their
// effects.
func (s *Store) operations(ctx context.Context, query string, args ...any) iter.Seq2[broker.OperationView, error] {
	return grouped(ctx, s, operationRow, `SELECT
		o.id, o.kind, o.state, o.key_id, o.key_name, o.number, o.targets, o.params, o.actor,
		o.reason, o.ticket, o.problem, o.started_at, o.ended_at,
		e.operation IS NOT NULL, e.target, e.step, e.intent, e.result, e.at, e.done_at
		FROM (`+query+`) o LEFT JOIN effects e ON e.operation = o.id ORDER BY o.seq DESC, e.seq`, args...)
}

// operationRow reads one effect, of cur or of the operation that follows it.
func operationRow(rows *sql.Rows, cur *broker.OperationView) (*broker.OperationView, error) {
	var (
		o              broker.Operation
		r              broker.EffectRecord
		found          bool
		intent, result string
	)
	err := rows.Scan(
		&o.ID, &o.Kind, &o.State, &o.KeyID, &o.KeyName, &o.Number, document{&o.Targets}, document{&o.Params}, document{&o.Actor},
		&o.Reason, &o.Ticket, &o.Problem, moment{&o.StartedAt}, moment{&o.EndedAt},
		&found, optional[string]{&r.Effect.Target}, optional[broker.Step]{&r.Effect.Step},
		optional[string]{&intent}, optional[string]{&result}, moment{&r.At}, moment{&r.DoneAt})
	if err != nil {
		return nil, err
	}
	if cur == nil || cur.Operation.ID != o.ID {
		cur = &broker.OperationView{Operation: o}
	}
	if found {
		r.Effect.Operation = o.ID
		r.Intent, r.Result = raw(intent), raw(result)
		cur.Effects = append(cur.Effects, r)
	}
	return cur, nil
}
