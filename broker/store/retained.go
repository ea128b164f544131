package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"github.com/keyferry/keyferry/broker"
)

// Retained implements broker.Store.
func (s *Store) Retained(ctx context.Context, f broker.RetainedFilter) iter.Seq2[broker.Retained, error] {
	var w where
	if f.KeyID != "" {
		w.and(`key_id = ?`, f.KeyID)
	}
	if f.Keeper != "" {
		w.and(`keeper = ? AND ended = ''`, f.Keeper)
	}
	return each(ctx, s, func(rows *sql.Rows) (r broker.Retained, err error) {
		err = rows.Scan(&r.KeyID, &r.Number, &r.Store, &r.Material, &r.Label, &r.Spec, &r.Purpose, document{&r.Usage}, &r.Environment,
			&r.TokenSerial, document{&r.Attributes}, &r.PublicKey, &r.KCV, &r.Keeper, &r.Wrapped, moment{&r.At}, &r.Ended, &r.Seal)
		return r, err
	}, `SELECT key_id, number, store, material, label, spec, purpose, usage, environment, token_serial, attributes,
		public_key, kcv, keeper, wrapped, at, ended, seal FROM retained_material`+w.sql()+` ORDER BY key_id, number`, w.args...)
}

// Keepers implements broker.Store.
func (s *Store) Keepers(ctx context.Context) ([]broker.KeptKeeper, error) {
	return all(each(ctx, s, func(rows *sql.Rows) (k broker.KeptKeeper, err error) {
		err = rows.Scan(&k.ID, &k.TokenSerial, &k.Environment, &k.State, moment{&k.IntendedAt}, moment{&k.RetiredAt}, moment{&k.EndedAt})
		return k, err
	}, `SELECT id, token_serial, environment, state, intended_at, retired_at, ended_at FROM keeper_keys ORDER BY intended_at DESC, id`))
}

func writeRetained(ctx context.Context, tx *sql.Tx, r *broker.Retained) error {
	if r == nil {
		return nil
	}
	_, err := record{
		what:    fmt.Sprintf("wrapped material of version %d of key %s", r.Number, r.KeyID),
		missing: "such version, or no keeper key " + string(r.Keeper),
	}.exec(ctx, tx, `INSERT INTO retained_material
		(key_id, number, store, material, label, spec, purpose, usage, environment, token_serial, attributes,
		public_key, kcv, keeper, wrapped, at, ended, seal)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (key_id, number) DO UPDATE SET
		store = excluded.store, material = excluded.material, label = excluded.label, spec = excluded.spec, purpose = excluded.purpose,
		usage = excluded.usage, environment = excluded.environment, token_serial = excluded.token_serial,
		attributes = excluded.attributes, public_key = excluded.public_key, kcv = excluded.kcv, keeper = excluded.keeper,
		wrapped = excluded.wrapped, at = excluded.at, ended = excluded.ended, seal = excluded.seal`,
		r.KeyID, r.Number, r.Store, r.Material, r.Label, r.Spec, r.Purpose, document{r.Usage}, r.Environment,
		r.TokenSerial, document{r.Attributes}, blob(r.PublicKey), blob(r.KCV), r.Keeper, blob(r.Wrapped), moment{&r.At}, r.Ended, blob(r.Seal))
	return err
}

func writeKeepers(ctx context.Context, tx *sql.Tx, keepers []broker.KeptKeeper) error {
	for _, k := range keepers {
		_, err := record{what: "keeper key " + string(k.ID)}.exec(ctx, tx, `INSERT INTO keeper_keys
			(id, token_serial, environment, state, intended_at, retired_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET
			token_serial = excluded.token_serial, environment = excluded.environment, state = excluded.state,
			intended_at = excluded.intended_at, retired_at = excluded.retired_at, ended_at = excluded.ended_at`,
			k.ID, k.TokenSerial, k.Environment, k.State, moment{&k.IntendedAt}, moment{&k.RetiredAt}, moment{&k.EndedAt})
		if err != nil {
			return err
		}
	}
	return nil
}

// retained is the way of retaining that two columns tell: retain: wrapped is a mark
// beside retain: token.
func retained(retain broker.Retain, wrapped bool) broker.Retain {
	if wrapped {
		return broker.RetainWrapped
	}
	return retain
}

// columnsOf a way of retaining.
func columnsOf(r broker.Retain) (retain broker.Retain, wrapped bool) {
	if r == broker.RetainWrapped {
		return broker.RetainToken, true
	}
	return r, false
}
