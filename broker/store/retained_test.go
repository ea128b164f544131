package store_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
	"github.com/keyferry/keyferry/broker/store/storetest"
)

// keeping is a database with one record of wrapped material.
func keeping(t storetest.TB) (path string, kept broker.Retained) {
	t.Helper()
	path = created(t)
	s := opened(t, path)
	yes := true
	keeper := broker.KeeperID(broker.KeeperPrefix + "1")
	kept = broker.Retained{
		KeyID: "id-key-000001", Number: 1, Store: "genesis", Material: "kf-k-1", Label: "k v1", Spec: broker.AES256, Purpose: broker.Encrypt,
		Usage: broker.Usage{Encrypt: true}, Environment: "test", TokenSerial: "7", Attributes: broker.Attributes{Local: &yes},
		PublicKey: []byte{}, KCV: []byte{1, 2, 3}, Keeper: keeper, Wrapped: []byte("wrapped"), At: noon(),
	}
	kept.Seal = macOf(kept)
	c := numbered(1)
	c.Keepers = []broker.KeptKeeper{{ID: keeper, TokenSerial: "7", Environment: "test", State: broker.KeeperCurrent, IntendedAt: noon()}}
	c.Retained = &kept
	_, err := s.Apply(t.Context(), c)
	must(t, err)
	must(t, s.Close())
	return path, kept
}

// macOf stands for the token's.
func macOf(r broker.Retained) []byte {
	sum := sha256.Sum256(append([]byte("the token's key"), r.Record()...))
	return sum[:]
}

// recordsIn reads what is kept.
func recordsIn(t storetest.TB, s *store.Store) (all []broker.Retained, err error) {
	t.Helper()
	for r, err := range s.Retained(t.Context(), broker.RetainedFilter{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// FuzzRetained: whatever is in the row of a record, it is a damaged row, or a record that
// can be shown and held against the audit, whose seal holds only where nothing was changed.
func FuzzRetained(f *testing.F) {
	path, kept := keeping(f)
	f.Add("k v1", `{"encrypt":true}`, `{"local":true}`, noon().UnixMicro(), []byte("wrapped"), "")
	f.Add("k v1", `{"encrypt":true}`, `{"local":true}`, int64(1)<<62, []byte("wrapped"), "")
	f.Add("", `{}`, `{}`, int64(0), []byte{}, "moved into the token")
	f.Add("\xff", `null`, `[]`, int64(1)<<62, []byte{0}, "")
	f.Add("k v1", `{"mac":1}`, `{"key_gen_mechanism":"\ud800"}`, int64(-1)<<62, []byte{0}, "")
	f.Add("k v1", `{"encrypt":true} x`, "", noon().UnixMicro(), []byte("wrapped"), "")
	s, db := opened(f, path), raw(f, path)
	f.Cleanup(func() { must(f, s.Close()) })
	f.Fuzz(func(t *testing.T, label, usage, attributes string, at int64, wrapped []byte, ended string) {
		if wrapped == nil {
			wrapped = []byte{}
		}
		_, err := db.ExecContext(t.Context(), `UPDATE retained_material SET label = ?, usage = ?, attributes = ?, at = ?, wrapped = ?, ended = ?`,
			label, usage, attributes, at, wrapped, ended)
		if err != nil {
			return // the schema holds it off
		}
		all, err := recordsIn(t, s)
		if err != nil {
			explains(t, err, broker.Rejected, path, "a row is damaged")
			return
		}
		now := all[0]
		text, err := json.Marshal(now)
		if err != nil {
			t.Fatalf("it cannot be shown: %v", err)
		}
		was, err := json.Marshal(kept)
		must(t, err)
		held := now.Sealed(macOf(now))
		if same := string(text) == string(was); same != (held == nil) || held != nil && !errors.Is(held, broker.Tampered) {
			t.Errorf("%s says the same: %v; its seal: %v", text, same, held)
		}
	})
}
