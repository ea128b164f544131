package store

import (
	"context"
	"database/sql"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// Key implements broker.Store.
func (s *Store) Key(ctx context.Context, name string) (broker.KeyView, error) {
	var w where
	w.and(`k.name = ?`, name)
	return only(s.keys(ctx, w), "key "+name)
}

// Keys implements broker.Store. State, Target, Name and ValidToBefore are asked of one
// version and one placement of it, all at once; the key is then yielded whole.
func (s *Store) Keys(ctx context.Context, f broker.KeyFilter) iter.Seq2[broker.KeyView, error] {
	var w where
	if f.ID != "" {
		w.and(`k.id = ?`, f.ID)
	}
	if f.Material != "" {
		w.and(`k.id IN (SELECT key_id FROM key_versions WHERE material_id = ?)`, f.Material)
	}
	if f.Owner != "" {
		w.and(`k.owner = ?`, f.Owner)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		w.and(`k.id IN (SELECT key_id FROM key_tags WHERE name = ? AND value = ?)`, name, f.Tags[name])
	}
	var of where
	from := `SELECT v.key_id FROM key_versions v`
	if f.State != "" {
		of.and(`v.state = ?`, f.State)
	}
	if f.Target != "" || f.Name != "" || !f.ValidToBefore.IsZero() {
		from += ` JOIN placements p ON p.key_id = v.key_id AND p.number = v.number`
	}
	if f.Target != "" {
		of.and(`p.target = ?`, f.Target)
	}
	if f.Name != "" {
		of.and(`p.name = ?`, strings.ToLower(f.Name))
	}
	if !f.ValidToBefore.IsZero() {
		of.and(`p.valid_to < ?`, moment{&f.ValidToBefore})
	}
	if len(of.args) > 0 {
		w.and(`k.id IN (`+from+of.sql()+`)`, of.args...)
	}
	return s.keys(ctx, w)
}

// keys yields keys in order of name, by one statement that is read as it comes:
// a row for each placement, or for a version or key that has none.
func (s *Store) keys(ctx context.Context, w where) iter.Seq2[broker.KeyView, error] {
	return grouped(ctx, s, keyRow, `SELECT
		k.id, k.name, k.spec, k.purpose, k.policy, k.environment, k.owner, k.created_at, `+tagsOf+`,
		v.number, v.state, v.retain, v.wrapped, v.material, v.provenance, v.created_at, v.activated_at,
		p.number, p.target, p.step, p.version, p.consumer, p.remote, p.seen_at, p.valid_to, p.imported_at, p.transport, p.proof, p.terms
		FROM keys k
		LEFT JOIN key_versions v ON v.key_id = k.id
		LEFT JOIN placements p ON p.key_id = v.key_id AND p.number = v.number`+
		w.sql()+` ORDER BY k.name, v.number, p.target`, w.args...)
}

// keyRow reads one placement, of cur or of the key that follows it. The columns
// of a key and of a version come again with each placement; their JSON is decoded
// once.
func keyRow(rows *sql.Rows, cur *broker.KeyView) (*broker.KeyView, error) {
	var (
		k              broker.Key
		v              broker.KeyVersion
		p              broker.Placement
		tags, material string
		wrapped        bool
	)
	err := rows.Scan(
		&k.ID, &k.Name, &k.Spec, &k.Purpose, &k.Policy, &k.Environment, &k.Owner, moment{&k.CreatedAt}, &tags,
		optional[int]{&v.Number}, optional[broker.State]{&v.State}, optional[broker.Retain]{&v.Retain}, optional[bool]{&wrapped},
		optional[string]{&material}, optional[string]{&v.Provenance}, moment{&v.CreatedAt}, moment{&v.ActivatedAt},
		optional[int]{&p.Number}, optional[string]{&p.Target}, optional[broker.PlacementStep]{&p.Step},
		document{&p.Version}, optional[string]{&p.Consumer}, optional[broker.RemoteState]{&p.Remote},
		moment{&p.SeenAt}, moment{&p.ValidTo}, moment{&p.ImportedAt}, document{&p.Transport}, document{&p.Proof}, document{&p.Terms})
	if err != nil {
		return nil, err
	}
	if cur == nil || cur.Key.ID != k.ID {
		cur = &broker.KeyView{Key: k}
		if err := (document{&cur.Key.Tags}).Scan(tags); err != nil {
			return nil, err
		}
	}
	if n := len(cur.Versions); v.Number > 0 && (n == 0 || cur.Versions[n-1].Number != v.Number) {
		v.KeyID, v.Retain = k.ID, retained(v.Retain, wrapped)
		if err := (document{&v.Material}).Scan(material); err != nil {
			return nil, err
		}
		cur.Versions = append(cur.Versions, v)
	}
	if p.Number > 0 {
		p.KeyID = k.ID
		cur.Placements = append(cur.Placements, p)
	}
	return cur, nil
}
