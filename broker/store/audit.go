package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// trustedEnd is the audit's last entry, which the change trusts.
func trustedEnd(ctx context.Context, tx *sql.Tx, c broker.Change) (broker.Entry, error) {
	end, err := ended(ctx, tx)
	if err == nil && c.Trust != nil {
		err = c.Trust(end)
	}
	return end.Entry, err
}

// next chains an entry to the one before. It first takes the form in which it
// will be read back (numbers as they are written, structs as maps), so that
// whoever reads it finds the same hash.
func next(ctx context.Context, tx *sql.Tx, c broker.Change, before broker.Entry) (broker.Entry, error) {
	c.Entry.State, c.Entry.Links = "", nil
	text, err := json.Marshal(c.Entry)
	if err != nil {
		return broker.Entry{}, fmt.Errorf("encode audit entry %s: %w: %w", c.Entry.Event, broker.Misuse, err)
	}
	e, err := decodeEntry(string(text))
	if err == nil && c.Seal != nil {
		e, err = indexed(ctx, tx, e, before)
	}
	if err != nil {
		return broker.Entry{}, err
	}
	return e.Chained(before.Head())
}

// decodeEntry keeps numbers as they are written: 1e2 and 100 have two hashes.
func decodeEntry(text string) (e broker.Entry, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&e)
	return e, err
}

func appendEntry(ctx context.Context, tx *sql.Tx, e broker.Entry) error {
	_, err := record{what: fmt.Sprintf("audit entry %d", e.Seq)}.exec(ctx, tx,
		`INSERT INTO audit (seq, entry) VALUES (?, ?)`, e.Seq, document{e})
	return err
}

// seal keeps the new head with its seal, where the change asks for one.
func seal(ctx context.Context, tx *sql.Tx, c broker.Change, e broker.Entry) (head broker.Head, err error) {
	head = e.Head()
	head.Operation = e.Operation
	if c.Seal == nil {
		return head, nil
	}
	if head.Seal, err = c.Seal(head); err != nil {
		return broker.Head{}, fmt.Errorf("seal audit head %d: %w", head.Seq, err)
	}
	_, err = record{what: fmt.Sprintf("audit head %d", head.Seq)}.exec(ctx, tx,
		`INSERT INTO heads (seq, hash, operation, seal, at) VALUES (?, ?, ?, ?, ?)`,
		head.Seq, head.Hash, head.Operation, blob(head.Seal), moment{&head.At})
	return head, err
}

// Entries implements broker.Store. What it yields is exactly what is stored: an
// entry whose text holds anything else is Tampered, by its number.
func (s *Store) Entries(ctx context.Context, after int64) iter.Seq2[broker.Entry, error] {
	return each(ctx, s, entryRow, `SELECT seq, entry FROM audit WHERE seq > ? ORDER BY seq`, after)
}

func entryRow(rows *sql.Rows) (broker.Entry, error) {
	var (
		seq  int64
		text string
	)
	if err := rows.Scan(&seq, &text); err != nil {
		return broker.Entry{}, err
	}
	e, err := decodeEntry(text)
	if err == nil {
		var again []byte
		if again, err = json.Marshal(e); err == nil && string(again) != text {
			err = fmt.Errorf("its text is not one that keyferry writes")
		} else if err == nil && e.Seq != seq {
			err = fmt.Errorf("its text is of entry %d", e.Seq)
		}
	}
	if err != nil {
		return broker.Entry{}, &broker.Error{
			Kind: broker.Tampered, Op: "read", Object: fmt.Sprintf("audit entry %d", seq), Cause: err,
			Hint: "the store was changed by something else: compare it with a backup",
		}
	}
	return e, nil
}

// Heads implements broker.Store.
func (s *Store) Heads(ctx context.Context, after int64) iter.Seq2[broker.Head, error] {
	return each(ctx, s, func(rows *sql.Rows) (h broker.Head, err error) {
		err = rows.Scan(&h.Seq, &h.Hash, &h.Operation, &h.Seal, moment{&h.At})
		return h, err
	}, `SELECT seq, hash, operation, seal, at FROM heads WHERE seq > ? ORDER BY seq`, after)
}
