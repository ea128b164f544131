package memory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// Adopt is the handle of material that [Token.Plant] made.
func (t *Token) Adopt(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	var m broker.Material
	err := t.call(ctx, "Adopt", func() error {
		if err := t.own("adopt", broker.Material{ID: in.ID}); err != nil {
			return err
		}
		have := t.find(in.ID)
		if kind, why := unfit(in, have); why != "" {
			return &broker.Error{Kind: kind, Op: "adopt", Object: "material " + string(in.ID), Cause: errors.New(why)}
		}
		m = t.material(have)
		return nil
	})
	if err != nil {
		return broker.Material{}, err
	}
	return m, nil
}

// unfit says why objects are not the material that is asked; "" where they are.
func unfit(in broker.GenerateIn, have []object) (broker.Kind, string) {
	switch {
	case in.Spec.Class() == "":
		return broker.Unsupported, fmt.Sprintf("the key spec %q is unknown", in.Spec)
	case len(have) == 0:
		return broker.NotFound, "the token has no object of that id"
	case !complete(in.Spec, have):
		return broker.Conflict, fmt.Sprintf("the token holds %d objects of that id, and not a whole one", len(have))
	case have[0].spec != in.Spec:
		return broker.Conflict, fmt.Sprintf("the token holds %s of that id, %s was asked", have[0].spec, in.Spec)
	default:
		return broker.Conflict, have[0].lacks(in.Usage)
	}
}

func (o object) lacks(u broker.Usage) string {
	var missing []string
	for _, want := range []struct {
		name   string
		has    bool
		needed bool
	}{
		{"CKA_SENSITIVE", !o.open, true},
		{"CKA_EXTRACTABLE", o.extractable, true},
		{"CKA_MODIFIABLE", o.usage.Modifiable, u.Modifiable},
		{"CKA_SIGN", o.usage.MAC, u.MAC},
		{"CKA_ENCRYPT", o.usage.Encrypt, u.Encrypt},
		{"CKA_WRAP_WITH_TRUSTED", o.usage.Trusted, u.Trusted},
	} {
		if want.needed && !want.has {
			missing = append(missing, want.name+" is false, true is needed")
		}
	}
	if o.usage.Trusted && !u.Trusted {
		missing = append(missing, "CKA_WRAP_WITH_TRUSTED is true")
	}
	return strings.Join(missing, "; ")
}

// Planted is material that somebody else makes in the token. The zero value of all
// but ID and Spec is material that can be adopted and does nothing else.
type Planted struct {
	ID    broker.MaterialID
	Spec  broker.KeySpec
	Usage broker.Usage
	Open  bool // not sensitive
	Fixed bool // not extractable
	// Stored: it was not born in the token.
	Stored bool
}

// Plant makes material behind the broker's back, as the people do who own the token.
func (t *Token) Plant(p Planted) error {
	made, err := t.make(broker.GenerateIn{ID: p.ID, Label: "planted", Spec: p.Spec, Usage: p.Usage})
	if err != nil {
		return err
	}
	for i := range made {
		made[i].open, made[i].extractable, made[i].unwrapped = p.Open, !p.Fixed, p.Stored
	}
	return t.locked(func() error {
		if len(t.find(p.ID)) > 0 {
			return errors.New("plant material: the id is taken")
		}
		t.objects = append(t.objects, made...)
		return nil
	})
}
