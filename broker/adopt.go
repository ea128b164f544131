package broker

import (
	"context"
	"errors"
	"fmt"
)

// adopt takes material that lives in the token already. Its birth was not ours to
// see, and every record of it says so. Looking whose it is and putting on record that
// it is ours are one for everybody else: two keys never get the same material.
func (l *line) adopt(ctx context.Context, in GenerateIn) error {
	in.ID = l.op.Params.Object
	_, release, err := l.b.take(ctx, "material", string(in.ID))
	if err != nil {
		return err
	}
	defer release()
	m, err := l.b.adoptable(ctx, l.setup, in)
	if err != nil {
		return err
	}
	return l.born(ctx, "material.adopted", in, m)
}

// offered asks for it before anything is on record: a name is not spent on material
// that cannot be had.
func (l *line) offered(ctx context.Context) error {
	if l.op.Params.Object == "" {
		return nil
	}
	in := GenerateIn{ID: l.op.Params.Object, Spec: l.key.Spec, Usage: l.usage(), MayExist: true}
	_, err := l.b.adoptable(ctx, l.setup, in)
	return err
}

// adoptable finds the material, and refuses what another key of ours has already.
func (b *Broker) adoptable(ctx context.Context, setup TokenSetup, in GenerateIn) (Material, error) {
	refuse := func(kind Kind, cause error, hint string) error {
		return &Error{Kind: kind, Op: "adopt", Object: "material " + string(in.ID), Cause: cause, Hint: hint}
	}
	adopter, ok := setup.Token.(Adopter)
	if !ok {
		return Material{}, refuse(Unsupported, fmt.Errorf("token %s cannot look for keys that it did not make", setup.Name), "")
	}
	if id, number, ours := in.ID.Parse(); ours {
		return Material{}, refuse(Conflict, errors.New("it is the broker's own"), b.belongsTo(ctx, id, number))
	}
	m, err := adopter.Adopt(ctx, in)
	if err != nil {
		return Material{}, adoptAdvice(ctx, setup, in, err)
	}
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{Material: m.ID}) {
		if err != nil {
			return Material{}, fmt.Errorf("read keys: %w", err)
		}
		for _, v := range view.Versions {
			if v.Material.ID == m.ID && v.Material.TokenSerial == m.TokenSerial && v.State != Deactivated {
				return Material{}, refuse(Conflict, fmt.Errorf("key %s has it already", view.Key.Name), "one set of material belongs to one key")
			}
		}
	}
	return m, nil
}

// belongsTo says which key material of ours is of.
func (b *Broker) belongsTo(ctx context.Context, keyID string, number int) string {
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{ID: keyID}) {
		if err == nil {
			return fmt.Sprintf("it is version %d of key %s: keyferry key show %s", number, view.Key.Name, view.Key.Name)
		}
	}
	return "it belongs to a key that is not in this store; keyferry inventory --orphans lists what nobody has on record"
}

// adoptAdvice adds to a token's refusal what to ask for instead. The refusal itself says
// what was tried, and with what.
func adoptAdvice(ctx context.Context, setup TokenSetup, in GenerateIn, err error) error {
	e, ok := err.(*Error) //nolint:errorlint // only one that is not wrapped can be said again with a hint
	if !ok {
		return fmt.Errorf("adopt material %s: %w", in.ID, err)
	}
	told := *e
	if errors.Is(err, NotFound) {
		told.Hint = "keyferry token show --objects lists what the token holds"
	}
	for o, err := range setup.Token.Objects(ctx, ObjectQuery{ID: in.ID}) {
		if err == nil && o.Spec != "" && o.Spec != in.Spec {
			told.Hint = fmt.Sprintf("--spec %s is what the token holds; a policy that names another does not fit", o.Spec)
		}
	}
	return &told
}
