package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// MoveRequest asks that the material of a key is kept elsewhere: wrapped in the store, or
// as objects of the token.
type MoveRequest struct {
	Name string
	To   Retain // RetainWrapped or RetainToken
	Why
}

// Moved is what became of one version.
type Moved struct {
	Key    string `json:"key"`
	Number int    `json:"number"`
	From   Retain `json:"from"`
	To     Retain `json:"to"`
	Done   bool   `json:"done"`           // it was there already
	Note   string `json:"note,omitempty"` // why it stays where it is
}

// Move changes over where the material of a key's versions is kept. It is there before
// it is on record, and on record before it goes from where it was: killed anywhere and
// called again, it ends in one place, and is the same material.
func (b *Broker) Move(ctx context.Context, req MoveRequest) ([]Moved, error) {
	if _, err := b.PlanMove(ctx, req); err != nil {
		return nil, err
	}
	lease, release, err := b.takeLease(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	defer release()
	view, err := b.movable(ctx, req)
	if err != nil {
		return nil, err
	}
	var out []Moved
	for _, v := range view.Versions {
		m := v.moves(view.Key.Name, req.To)
		if m.Note == "" {
			l, err := b.movingLine(view, v, req, lease)
			if err == nil {
				err = l.move(ctx, req.To)
			}
			if err != nil {
				return out, fmt.Errorf("move version %d of key %s: %w", v.Number, req.Name, err)
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// PlanMove says what Move would do, and touches nothing.
func (b *Broker) PlanMove(ctx context.Context, req MoveRequest) ([]Moved, error) {
	if req.To != RetainWrapped && req.To != RetainToken {
		return nil, misuse("move "+req.Name, fmt.Sprintf("material is moved to %s or %s, not %q", RetainWrapped, RetainToken, req.To))
	}
	if err := b.trust(ctx, nil); err != nil {
		return nil, err
	}
	setup, err := b.token()
	if err != nil {
		return nil, err
	}
	view, err := b.movable(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := keepable(ctx, setup, view.Key.Spec); err != nil {
		return nil, err
	}
	var out []Moved
	for _, v := range view.Versions {
		out = append(out, v.moves(view.Key.Name, req.To))
	}
	if !slices.ContainsFunc(out, func(m Moved) bool { return m.Note == "" }) {
		return nil, &Error{Kind: Conflict, Op: "move the material of", Object: "key " + req.Name, Cause: errors.New(out[0].Note)}
	}
	return out, nil
}

// movable is the key, with nothing unfinished about it.
func (b *Broker) movable(ctx context.Context, req MoveRequest) (KeyView, error) {
	view, err := b.o.Store.Key(ctx, req.Name)
	if err != nil {
		return KeyView{}, fmt.Errorf("read key %s: %w", req.Name, err)
	}
	operations, err := b.witnessedOperations(ctx, view)
	if err != nil {
		return KeyView{}, err
	}
	for _, op := range operations {
		if op.Operation.State.Open() {
			return KeyView{}, &Error{
				Kind: Conflict, Op: "move the material of", Object: "key " + req.Name,
				Cause: fmt.Errorf("%s %s is %s", op.Operation.Kind, op.Operation.ID, op.Operation.State),
				Hint:  "keyferry operation resume " + op.Operation.ID + " first",
			}
		}
	}
	return view, nil
}

// moves says whether a version's material can be moved; pure.
func (v KeyVersion) moves(name string, to Retain) Moved {
	m := Moved{Key: name, Number: v.Number, From: v.Retain, To: to, Done: v.Retain == to}
	switch {
	case v.Material.ID == "":
		m.Note = "it has no material"
	case v.Material.Ended != "" || v.Retain != RetainToken && v.Retain != RetainWrapped:
		m.Note = fmt.Sprintf("it is retained as %s, and can be wrapped no more", v.Retain)
	case to == RetainWrapped && v.Material.trusted():
		m.Note = "it is wrapped under trusted keys alone, and a keeper key is none"
	case v.Provenance == Adopted:
		m.Note = "its material was in the token before, and is not the broker's to end"
	}
	return m
}

// movingLine is a line that does nothing at the version's targets; they say what the
// token's copy is used for.
func (b *Broker) movingLine(view KeyView, v KeyVersion, req MoveRequest, lease Lease) (*line, error) {
	l, err := b.lineOf(view, v, lease)
	if err != nil {
		return nil, err
	}
	l.why = req.Why
	for _, p := range view.Placements {
		if p.Number != v.Number || v.Retain == RetainWrapped {
			continue
		}
		t, err := b.target(p.Target)
		if err != nil {
			return nil, err
		}
		l.places = append(l.places, l.newPlace(t, p))
	}
	return l, nil
}

func (l *line) move(ctx context.Context, to Retain) error {
	keeper, err := keeperOf(l.setup)
	if err != nil {
		return err
	}
	defer func() { _ = keeper.Release(context.WithoutCancel(ctx), l.version.Material.ID) }() // it goes with the login
	switch {
	case to == RetainToken && l.version.Retain == RetainWrapped:
		return l.moveIn(ctx, keeper)
	case to == RetainWrapped && l.version.Retain == RetainToken:
		if err := l.moveOut(ctx, keeper); err != nil {
			return err
		}
	case to == RetainToken:
		return nil
	}
	return l.clearObject(ctx, keeper)
}

// moveOut wraps the token's object, sees that the wrap opens to the same material, and
// puts that on record.
func (l *line) moveOut(ctx context.Context, keeper Keeper) error {
	under, err := l.b.currentKeeper(ctx, l.setup)
	if err != nil {
		return err
	}
	wrapped, err := keeper.Keep(ctx, l.version.Material, under)
	if err != nil {
		return err
	}
	in := GenerateIn{ID: l.version.Material.ID, Label: l.label(), Spec: l.key.Spec, Usage: l.usage()}
	r, err := l.record(ctx, in, l.version.Material, under, wrapped)
	if err != nil {
		return err
	}
	opened, err := keeper.Open(ctx, r.openIn())
	if err == nil {
		err = l.sameAs(ctx, keeper, opened, r)
	}
	if err == nil {
		err = keeper.Release(ctx, r.Material)
	}
	if err != nil {
		return err
	}
	return l.moved(ctx, RetainWrapped, r)
}

// sameAs compares material in the token with a record of it: one keeper key makes one
// wrap of it.
func (l *line) sameAs(ctx context.Context, keeper Keeper, m Material, r Retained) error {
	again, err := keeper.Keep(ctx, m, r.Keeper)
	if err == nil && !bytes.Equal(again, r.Wrapped) {
		err = &Error{
			Kind: Undecided, Op: "compare", Object: m.String(), Cause: errors.New("what is in the token is not what is on record"),
			Hint: "nothing was destroyed; find out who changed the token",
			Seen: []Sighting{{Ref: string(m.ID), Why: "it is not what is kept under keeper key " + string(r.Keeper)}},
		}
	}
	return err
}

// clearObject destroys the token's object of material that is kept wrapped: the one that
// was just moved out, or that a run left which was killed. It is compared first.
func (l *line) clearObject(ctx context.Context, keeper Keeper) error {
	m := l.version.Material
	there := false
	for _, err := range l.setup.Token.Objects(ctx, ObjectQuery{ID: m.ID}) {
		if err != nil {
			return err
		}
		there = true
	}
	if !there {
		return nil
	}
	r, err := l.b.retained(ctx, l.setup, l.key, l.version)
	if err == nil {
		err = l.sameAs(ctx, keeper, m, r)
	}
	if errors.Is(err, NotFound) { // half of a pair: the private half is gone already
		err = nil
	}
	if err == nil {
		err = l.setup.Token.Change(ctx, m, Destroy)
	}
	if err != nil {
		return err
	}
	_, err = l.apply(ctx, "material.object-destroyed", nil, Change{}, map[string]any{"material": m.ID, keptUnder: r.Keeper})
	return err
}

// moveIn stores kept material in the token. What a killed run left there is taken if it
// is the same, and made anew if it is not whole.
func (l *line) moveIn(ctx context.Context, keeper Keeper) error {
	r, err := l.b.retained(ctx, l.setup, l.key, l.version)
	if err != nil {
		return err
	}
	err = l.setup.Token.Change(ctx, l.version.Material, Discard)
	if err == nil {
		in := r.openIn()
		in.Usage.Session = false
		_, err = keeper.Open(ctx, in)
	} else if errors.Is(err, Conflict) {
		err = nil // whole
	}
	if err == nil {
		err = l.sameAs(ctx, keeper, l.version.Material, r)
	}
	if err != nil {
		return err
	}
	r.Wrapped, r.Ended = nil, MovedToToken
	if r, err = l.b.sealed(ctx, l.setup, r); err != nil {
		return err
	}
	return l.moved(ctx, RetainToken, r)
}

// moved puts on record where the material is now.
func (l *line) moved(ctx context.Context, to Retain, r Retained) error {
	version := l.version
	version.Retain = to
	_, err := l.apply(ctx, "material.moved", nil, Change{Version: &version, Retained: &r}, map[string]any{
		"material": r.Material, "from": l.version.Retain, "to": to, "keeper": r.Keeper,
	})
	if err == nil {
		l.version = version
	}
	return err
}
