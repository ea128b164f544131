package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// rootNode is the number of the index's root.
const rootNode = -1

// asker is a transaction, or a connection that reads.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ended reads the audit's end. What it yields is what is stored; whether it is true is
// for the reader to find out.
func ended(ctx context.Context, q asker) (end broker.Ended, err error) {
	end.Entry, err = entryOf(ctx, q, `SELECT seq, entry FROM audit ORDER BY seq DESC LIMIT 1`)
	if err != nil {
		return end, err
	}
	end.Head, err = headOf(ctx, q, `SELECT seq, hash, operation, seal, at FROM heads ORDER BY seq DESC LIMIT 1`)
	return end, err
}

// entryOf is the entry that a query finds; zero where it finds none.
func entryOf(ctx context.Context, q asker, query string, args ...any) (broker.Entry, error) {
	found, err := entriesOf(ctx, q, "", query, args...)
	if err != nil || len(found) == 0 {
		return broker.Entry{}, err
	}
	return found[0], nil
}

// entriesOf are those about a subject that a query finds; "" all.
func entriesOf(ctx context.Context, q asker, subject, query string, args ...any) ([]broker.Entry, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below says what went wrong
	var list []broker.Entry
	for rows.Next() {
		e, err := entryRow(rows)
		if err != nil {
			return nil, err
		}
		if subject == "" || slices.Contains(e.Subjects(), subject) {
			list = append(list, e)
		}
	}
	return list, rows.Err()
}

// headOf is the head that a query finds; zero where it finds none.
func headOf(ctx context.Context, q asker, query string, args ...any) (h broker.Head, err error) {
	err = q.QueryRowContext(ctx, query, args...).Scan(&h.Seq, &h.Hash, &h.Operation, &h.Seal, moment{&h.At})
	if errors.Is(err, sql.ErrNoRows) {
		return broker.Head{}, nil
	}
	return h, err
}

// pathOf reads where a subject stands in the index.
func pathOf(ctx context.Context, q asker, subject string) (p broker.IndexPath, err error) {
	node, bucket := broker.IndexSlot(subject)
	for number, children := range map[int]*[]byte{rootNode: &p.Root, node: &p.Node} {
		err := q.QueryRowContext(ctx, `SELECT children FROM audit_nodes WHERE node = ?`, number).Scan(children)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return p, err
		}
	}
	rows, err := q.QueryContext(ctx, `SELECT subject, seq, hash, entries FROM audit_ends WHERE bucket = ? ORDER BY subject`, bucket)
	if err != nil {
		return p, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below says what went wrong
	for rows.Next() {
		var e broker.IndexEnd
		if err := rows.Scan(&e.Subject, &e.Seq, &e.Hash, &e.Entries); err != nil {
			return p, err
		}
		p.Bucket = append(p.Bucket, e)
	}
	return p, rows.Err()
}

// wholePath is a path that leads to the state.
func wholePath(ctx context.Context, q asker, subject, state string) (broker.IndexPath, error) {
	p, err := pathOf(ctx, q, subject)
	if err != nil {
		return p, err
	}
	found, err := p.State(subject)
	if err == nil && found != state {
		err = errors.New("it is not the one that the last entry was sealed with")
	}
	if err != nil {
		return p, &broker.Error{
			Kind: broker.Tampered, Op: "read the audit's index at", Object: subject, Cause: err,
			Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
		}
	}
	return p, nil
}

// indexed gives an entry the index's state over all before it, the end among them, and
// its links. The index is brought that far first.
func indexed(ctx context.Context, tx *sql.Tx, e broker.Entry, end broker.Entry) (broker.Entry, error) {
	var err error
	switch {
	case end.Seq == 0:
		e.State = broker.EmptyState()
	case end.State == "":
		e.State, err = indexAnew(ctx, tx)
	default:
		e.State, err = indexEntry(ctx, tx, end.State, end)
	}
	if err != nil {
		return broker.Entry{}, err
	}
	for _, subject := range e.Subjects() {
		p, err := wholePath(ctx, tx, subject, e.State)
		if err != nil {
			return broker.Entry{}, err
		}
		if last := p.Find(subject); last.Seq > 0 {
			if e.Links == nil {
				e.Links = map[string]broker.Link{}
			}
			e.Links[subject] = last.Link
		}
	}
	return e, nil
}

// indexEntry puts an entry into an index in that state, and returns its new one.
func indexEntry(ctx context.Context, tx *sql.Tx, state string, e broker.Entry) (string, error) {
	for _, subject := range e.Subjects() {
		p, err := wholePath(ctx, tx, subject, state)
		if err != nil {
			return "", err
		}
		p = p.With(subject, broker.Link{Seq: e.Seq, Hash: e.Hash})
		if state, err = p.State(subject); err != nil {
			return "", err
		}
		if err := writePath(ctx, tx, subject, p); err != nil {
			return "", err
		}
	}
	return state, nil
}

func writePath(ctx context.Context, tx *sql.Tx, subject string, p broker.IndexPath) error {
	node, bucket := broker.IndexSlot(subject)
	r := record{what: "index of the audit at " + subject}
	for number, children := range map[int][]byte{rootNode: p.Root, node: p.Node} {
		_, err := r.exec(ctx, tx, `INSERT INTO audit_nodes (node, children) VALUES (?, ?)
			ON CONFLICT (node) DO UPDATE SET children = excluded.children`, number, children)
		if err != nil {
			return err
		}
	}
	end := p.Find(subject)
	_, err := r.exec(ctx, tx, `INSERT INTO audit_ends (bucket, subject, seq, hash, entries) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (bucket, subject) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, entries = excluded.entries`,
		bucket, subject, end.Seq, end.Hash, end.Entries)
	return err
}

// indexAnew makes the index of a store that was written before there was one. The
// whole chain is followed, so that the index is as true as the chain's end.
func indexAnew(ctx context.Context, tx *sql.Tx) (string, error) {
	for _, table := range []string{"audit_nodes", "audit_ends"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil { //nolint:gosec // the two names above
			return "", err
		}
	}
	state, last := broker.EmptyState(), broker.Head{}
	for {
		e, err := entryOf(ctx, tx, `SELECT seq, entry FROM audit WHERE seq > ? ORDER BY seq LIMIT 1`, last.Seq)
		if err != nil || e.Seq == 0 {
			return state, err
		}
		want, err := e.Chained(last)
		if err != nil {
			return "", err
		}
		if want.Seq != e.Seq || want.Prev != e.Prev || want.Hash != e.Hash {
			return "", &broker.Error{
				Kind: broker.Tampered, Op: "index the audit at", Object: fmt.Sprintf("entry %d", e.Seq), Cause: errors.New("it does not follow the entry before it"),
				Hint: "keyferry audit verify lists everything; restore a backup, and find out who changed it",
			}
		}
		if state, err = indexEntry(ctx, tx, state, e); err != nil {
			return "", err
		}
		last = e.Head()
	}
}

// Told implements broker.Store. What it yields is what is stored, all of one moment.
func (s *Store) Told(ctx context.Context, subject string) (told broker.Told, err error) {
	defer func() {
		if err != nil {
			err = s.explained(ctx, "read", undecodable(s.path, err))
		}
	}()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return broker.Told{}, err
	}
	defer func() { err = errors.Join(err, undo(tx)) }()
	if told.Ended, err = ended(ctx, tx); err != nil || subject == "" {
		return told, err
	}
	if told.Path, err = pathOf(ctx, tx, subject); err != nil {
		return told, err
	}
	last := told.Path.Find(subject)
	if slices.Contains(told.Entry.Subjects(), subject) {
		last.Seq = told.Entry.Seq
	}
	told.Entries, err = entriesAbout(ctx, tx, subject, last.Seq)
	if err == nil {
		told.Heads, err = headsOf(ctx, tx, told.Entries)
	}
	return told, err
}

// entriesAbout follows the links back from a subject's last entry, the oldest first.
func entriesAbout(ctx context.Context, q asker, subject string, seq int64) ([]broker.Entry, error) {
	var list []broker.Entry
	for seq > 0 {
		e, err := entryOf(ctx, q, `SELECT seq, entry FROM audit WHERE seq = ?`, seq)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if e.State == "" {
			before, err := entriesBefore(ctx, q, subject, e)
			slices.Reverse(list)
			return append(before, list...), err
		}
		if seq = e.Links[subject].Seq; e.Seq <= seq {
			break // no link of ours leads forward
		}
	}
	slices.Reverse(list)
	return list, nil
}

// entriesBefore are those about a subject from before there was an index.
func entriesBefore(ctx context.Context, q asker, subject string, e broker.Entry) ([]broker.Entry, error) {
	query, args := `SELECT seq, entry FROM audit WHERE seq < ?`, []any{e.Seq}
	if e.Key != "" && broker.KeySubject(e.Key) == subject {
		query, args = query+` AND key = ?`, append(args, e.Key)
	}
	return entriesOf(ctx, q, subject, query+` ORDER BY seq`, args...)
}

// headsOf are those of the entries that carry no state.
func headsOf(ctx context.Context, q asker, entries []broker.Entry) (map[int64]broker.Head, error) {
	heads := map[int64]broker.Head{}
	for _, e := range entries {
		if e.State != "" {
			continue
		}
		h, err := headOf(ctx, q, `SELECT seq, hash, operation, seal, at FROM heads WHERE seq = ?`, e.Seq)
		if err != nil {
			return nil, err
		}
		heads[e.Seq] = h
	}
	return heads, nil
}
