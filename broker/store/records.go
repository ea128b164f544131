package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Enrolments implements broker.Store.
func (s *Store) Enrolments(ctx context.Context) ([]broker.Enrolment, error) {
	return all(each(ctx, s, func(rows *sql.Rows) (e broker.Enrolment, err error) {
		err = rows.Scan(&e.Kind, &e.Name, &e.Environment, &e.TokenSerial, document{&e.Pins}, document{&e.Findings},
			moment{&e.At}, &e.Seal)
		return e, err
	}, `SELECT kind, name, environment, token_serial, pins, findings, at, seal FROM enrolments ORDER BY kind, name`))
}

// WrappingKeys implements broker.Store.
func (s *Store) WrappingKeys(ctx context.Context, target string) ([]broker.KeptWrappingKey, error) {
	return all(each(ctx, s, func(rows *sql.Rows) (k broker.KeptWrappingKey, err error) {
		err = rows.Scan(&k.Target, &k.Ref, &k.Fingerprint, &k.Operation, moment{&k.MadeAt}, moment{&k.ExpiresAt}, &k.Ended)
		return k, err
	}, `SELECT target, ref, fingerprint, operation, made_at, expires_at, ended FROM wrapping_keys
		WHERE target = ? OR ? = '' ORDER BY made_at DESC, target, ref`, target, target))
}

// Lease implements broker.Store. Lease.Stale runs inside the transaction, so it
// must not use the store itself.
func (s *Store) Lease(ctx context.Context, l broker.Lease) error {
	if l.Name == "" || l.Holder == "" || !l.Release && !l.Until.After(l.Now) {
		return fmt.Errorf("take lease %q for %q until %s: it needs a name, a holder and time to come: %w",
			l.Name, l.Holder, l.Until.Format(time.RFC3339), broker.Misuse)
	}
	const soft = true // who held it is gone after a power failure
	return s.inTx(ctx, soft, func(tx *sql.Tx) error {
		if l.Release {
			_, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE name = ? AND holder = ?`, l.Name, l.Holder)
			return err
		}
		holder, until, err := lease(ctx, tx, l.Name)
		if err != nil {
			return err
		}
		if free := holder == "" || holder == l.Holder || !until.After(l.Now) || l.Stale != nil && l.Stale(holder); !free {
			return &broker.Error{
				Kind: broker.Conflict, Op: "take lease", Object: l.Name,
				Cause: fmt.Errorf("%s holds it until %s", holder, until.Format(time.RFC3339)),
				Hint:  "let it finish, then try again",
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until`,
			l.Name, l.Holder, moment{&l.Until})
		return err
	})
}

// lease finds who holds it; holder is "" where nobody does.
func lease(ctx context.Context, tx *sql.Tx, name string) (holder string, until time.Time, err error) {
	err = tx.QueryRowContext(ctx, `SELECT holder, until FROM leases WHERE name = ?`, name).Scan(&holder, moment{&until})
	if errors.Is(err, sql.ErrNoRows) {
		return "", time.Time{}, nil
	}
	return holder, until, err
}

// holds checks, inside the transaction of a change, that its writer still has the
// right to write.
func holds(ctx context.Context, tx *sql.Tx, l *broker.Lease) error {
	if l == nil {
		return nil
	}
	holder, until, err := lease(ctx, tx, l.Name)
	if err != nil {
		return err
	}
	if holder == l.Holder && until.After(l.Now) {
		return nil
	}
	e := &broker.Error{
		Kind: broker.Conflict, Op: "write under lease", Object: l.Name,
		Hint: "run the command again: it goes on from where the other one is",
	}
	switch holder {
	case "":
		e.Cause = fmt.Errorf("it was given back")
	case l.Holder:
		e.Cause = fmt.Errorf("it ran out at %s", until.Format(time.RFC3339))
	default:
		e.Cause = fmt.Errorf("%s holds it now, until %s", holder, until.Format(time.RFC3339))
	}
	return e
}
