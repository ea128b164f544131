package broker

import (
	"context"
	"fmt"
)

// hintOlder is the way out where a target shows more than the store knows of.
const hintOlder = "the store may be older than what the target shows; restore the newest backup, or, " +
	"where this is the newest there is, keyferry store recover --reason …"

// newer reports whether what a target shows is of this key, by our mark, and was brought
// by no effect on record: this store is older than that. It is asked only where what was
// seen stops a line anyway, since a mark can be set by others.
func (l *line) newer(ctx context.Context, o Observation) (bool, error) {
	if o.KeyID != l.key.ID || o.Effect == "" {
		return false, nil
	}
	for op, err := range l.b.o.Store.Operations(ctx, OperationFilter{KeyName: l.key.Name}) {
		if err != nil {
			return false, fmt.Errorf("read operations of key %s: %w", l.key.Name, err)
		}
		for _, r := range op.Effects {
			if r.Effect.ID() == o.Effect {
				return false, nil
			}
		}
	}
	return true, nil
}

// orNewer is the hint about what was seen, or that the store may be older.
func (l *line) orNewer(ctx context.Context, seen []Observation, hint string) (string, error) {
	for _, o := range seen {
		if newer, err := l.newer(ctx, o); err != nil || newer {
			return "it was brought by an operation of ours that is not on record: " + hintOlder, err
		}
	}
	return hint, nil
}

// takenName is the hint about a name that leads to a key. Where that carries our mark and
// its material is in this token, which serves no other store, this store has lost it.
func (l *line) takenName(ctx context.Context, o Observation) (string, error) {
	const hint = "import under another name, or remove that name at the target first"
	if o.Effect == "" || o.KeyID == "" {
		return hint, nil
	}
	known, err := l.b.hasVersion(ctx, o.KeyID, 1)
	if err != nil || known {
		return hint, err
	}
	for _, err := range l.setup.Token.Objects(ctx, ObjectQuery{ID: NewMaterialID(o.KeyID, 1)}) {
		return "its material is in this token, and no record names it: " + hintOlder, err
	}
	return hint, nil
}
