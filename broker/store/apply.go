package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/keyferry/keyferry/broker"
)

// Apply implements broker.Store. Change.Trust and Change.Seal run inside the transaction,
// so they must not write to the store themselves.
func (s *Store) Apply(ctx context.Context, c broker.Change) (broker.Head, error) {
	if c.Entry.Event == "" {
		return broker.Head{}, fmt.Errorf("apply change: its audit entry names no event: %w", broker.Misuse)
	}
	return s.queued(ctx, c)
}

// apply writes changes one after the other, and seals the last one's entry: what is
// before it, it is chained to.
func apply(ctx context.Context, tx *sql.Tx, changes []broker.Change) (broker.Head, error) {
	last, err := trustedEnd(ctx, tx, changes[0])
	for _, c := range changes {
		if err == nil {
			last, err = applyOne(ctx, tx, c, last)
		}
	}
	if err != nil {
		return broker.Head{}, err
	}
	return seal(ctx, tx, changes[len(changes)-1], last)
}

// applyOne writes one change, whose entry it returns.
func applyOne(ctx context.Context, tx *sql.Tx, c broker.Change, before broker.Entry) (broker.Entry, error) {
	if err := holds(ctx, tx, c.Lease); err != nil {
		return broker.Entry{}, err
	}
	entry, err := next(ctx, tx, c, before)
	if err != nil {
		return broker.Entry{}, err
	}
	for _, write := range []func() error{
		func() error { return writeKey(ctx, tx, c.NewKey) },
		func() error { return writeVersions(ctx, tx, c) },
		func() error { return writePlacements(ctx, tx, c.Placements) },
		func() error { return writeOperations(ctx, tx, c, entry.Seq) },
		func() error { return writeEffects(ctx, tx, c, entry.Seq) },
		func() error { return writeEnrolment(ctx, tx, c.Enrolment) },
		func() error { return writeWrappingKey(ctx, tx, c.WrappingKey) },
		func() error { return writeKeepers(ctx, tx, c.Keepers) },
		func() error { return writeRetained(ctx, tx, c.Retained) },
		func() error { return appendEntry(ctx, tx, entry) },
	} {
		if err := write(); err != nil {
			return broker.Entry{}, err
		}
	}
	return entry, nil
}

// record names what a statement writes, for its errors.
type record struct {
	what string // "key payments/db"
	// missing is what a foreign key that is not there means: "version 2".
	missing string
}

// exec runs one statement; what the schema refuses becomes an error that names
// the record. It returns how many rows were touched.
func (r record) exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	if err := storable(args); err != nil {
		return 0, fmt.Errorf("record %s: %w", r.what, err)
	}
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, r.refused(err)
	}
	return result.RowsAffected()
}

// storable refuses text that not every database can hold, or reads back as other
// text: SQLite's JSON functions end at a NUL, and PostgreSQL takes neither.
func storable(args []any) error {
	for _, arg := range args {
		text := reflect.ValueOf(arg)
		if text.Kind() == reflect.String && (!utf8.ValidString(text.String()) || strings.ContainsRune(text.String(), 0)) {
			return fmt.Errorf("text %.80q holds a NUL or is no UTF-8: %w", text, broker.Misuse)
		}
	}
	return nil
}

func (r record) refused(err error) error {
	kind, ok := brokenPromise(err)
	if !ok {
		return err
	}
	e := &broker.Error{Kind: kind, Op: "record", Object: r.what, Cause: err}
	switch kind {
	case broker.Conflict:
		e.Cause = fmt.Errorf("it is there already: %w", err)
	case broker.NotFound:
		e.Cause = fmt.Errorf("there is no %s: %w", r.missing, err)
	default:
	}
	return e
}

// replace is exec for a record that must be there.
func (r record) replace(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	n, err := r.exec(ctx, tx, query, args...)
	if err == nil && n == 0 {
		return &broker.Error{Kind: broker.NotFound, Op: "replace", Object: r.what}
	}
	return err
}

func writeKey(ctx context.Context, tx *sql.Tx, k *broker.Key) error {
	if k == nil {
		return nil
	}
	r := record{what: "key " + k.Name}
	_, err := r.exec(ctx, tx, `INSERT INTO keys
		(id, name, spec, purpose, policy, environment, owner, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		k.ID, k.Name, k.Spec, k.Purpose, k.Policy, k.Environment, k.Owner, moment{&k.CreatedAt})
	for name, value := range k.Tags {
		if err != nil {
			return err
		}
		_, err = r.exec(ctx, tx, `INSERT INTO key_tags (key_id, name, value) VALUES (?, ?, ?)`, k.ID, name, value)
	}
	return err
}

func writeVersions(ctx context.Context, tx *sql.Tx, c broker.Change) error {
	if v := c.NewVersion; v != nil {
		_, err := versionRecord(v).exec(ctx, tx, `INSERT INTO key_versions
			(state, retain, wrapped, material, material_id, provenance, created_at, activated_at, key_id, number)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, versionColumns(v)...)
		if err != nil {
			return err
		}
	}
	if v := c.Version; v != nil {
		return versionRecord(v).replace(ctx, tx, `UPDATE key_versions SET
			state = ?, retain = ?, wrapped = ?, material = ?, material_id = ?, provenance = ?, created_at = ?, activated_at = ?
			WHERE key_id = ? AND number = ?`, versionColumns(v)...)
	}
	return nil
}

func versionRecord(v *broker.KeyVersion) record {
	return record{what: fmt.Sprintf("version %d of key %s", v.Number, v.KeyID), missing: "key " + v.KeyID}
}

func versionColumns(v *broker.KeyVersion) []any {
	retain, wrapped := columnsOf(v.Retain)
	return []any{
		v.State, retain, wrapped,
		document{v.Material},
		v.Material.ID,
		v.Provenance,
		moment{&v.CreatedAt},
		moment{&v.ActivatedAt},
		v.KeyID, v.Number,
	}
}

func writePlacements(ctx context.Context, tx *sql.Tx, placements []broker.Placement) error {
	for _, p := range placements {
		p.Proof.At, p.Terms.ValidFrom = cut(p.Proof.At), cut(p.Terms.ValidFrom)
		r := record{
			what:    fmt.Sprintf("placement of key %s version %d at %s", p.KeyID, p.Number, p.Target),
			missing: "such version",
		}
		_, err := r.exec(ctx, tx, `INSERT INTO placements
			(key_id, number, target, step, version, consumer, remote, seen_at, valid_to, imported_at, transport, proof, terms, name)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (key_id, number, target) DO UPDATE SET
			step = excluded.step, version = excluded.version, consumer = excluded.consumer, remote = excluded.remote,
			seen_at = excluded.seen_at, valid_to = excluded.valid_to, imported_at = excluded.imported_at,
			transport = excluded.transport, proof = excluded.proof, terms = excluded.terms, name = excluded.name`,
			p.KeyID, p.Number, p.Target, p.Step, document{p.Version}, p.Consumer, p.Remote,
			moment{&p.SeenAt}, moment{&p.ValidTo}, moment{&p.ImportedAt}, document{p.Transport}, document{p.Proof}, document{p.Terms},
			strings.ToLower(p.OurName()))
		if err != nil {
			return err
		}
	}
	return nil
}

func writeEnrolment(ctx context.Context, tx *sql.Tx, e *broker.Enrolment) error {
	if e == nil {
		return nil
	}
	_, err := record{what: fmt.Sprintf("enrolment of %s %s", e.Kind, e.Name)}.exec(ctx, tx, `INSERT INTO enrolments
		(kind, name, environment, token_serial, pins, findings, at, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, name) DO UPDATE SET
		environment = excluded.environment, token_serial = excluded.token_serial, pins = excluded.pins,
		findings = excluded.findings, at = excluded.at, seal = excluded.seal`,
		e.Kind, e.Name, e.Environment, e.TokenSerial, document{e.Pins}, document{e.Findings}, moment{&e.At}, blob(e.Seal))
	return err
}

func writeWrappingKey(ctx context.Context, tx *sql.Tx, k *broker.KeptWrappingKey) error {
	if k == nil {
		return nil
	}
	_, err := record{what: "wrapping key " + k.Ref}.exec(ctx, tx, `INSERT INTO wrapping_keys
		(target, ref, fingerprint, operation, made_at, expires_at, ended) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (target, ref) DO UPDATE SET
		fingerprint = excluded.fingerprint, operation = excluded.operation, made_at = excluded.made_at,
		expires_at = excluded.expires_at, ended = excluded.ended`,
		k.Target, k.Ref, k.Fingerprint, k.Operation, moment{&k.MadeAt}, moment{&k.ExpiresAt}, k.Ended)
	return err
}
