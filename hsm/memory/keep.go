package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// keeperLabel begins the label of a keeper key, which names the environment.
const keeperLabel = "keyferry keeper key: "

// KeepPlans of every key spec.
func (t *Token) KeepPlans(ctx context.Context) ([]broker.KeepPlan, error) {
	var plans []broker.KeepPlan
	err := t.call(ctx, "KeepPlans", func() error {
		for _, spec := range broker.KeySpecs() {
			p := broker.KeepPlan{Spec: spec, AESNumber: 0x210B, Works: true, Guarded: !t.options.Unguarded}
			switch {
			case slices.Contains(t.options.Unsupported, spec), slices.Contains(t.options.Unkeepable, spec):
				p = broker.KeepPlan{Spec: spec, Reason: "the token does not wrap such a key"}
			case t.options.Unguarded:
				p.Reason = "the token opens to keys that can be read"
			}
			plans = append(plans, p)
		}
		return nil
	})
	return plans, err
}

// Keepers lists the keeper keys.
func (t *Token) Keepers(ctx context.Context) ([]broker.KeeperKey, error) {
	var keys []broker.KeeperKey
	err := t.call(ctx, "Keepers", func() error {
		for _, o := range t.objects {
			if strings.HasPrefix(string(o.id), broker.KeeperPrefix) {
				key := broker.KeeperKey{ID: broker.KeeperID(o.id), Environment: strings.TrimPrefix(o.label, keeperLabel)}
				if o.extractable {
					key.Fault = "its CKA_EXTRACTABLE is true"
				}
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}

// MakeKeeper makes a keeper key for the environment of the seal key.
func (t *Token) MakeKeeper(ctx context.Context, id broker.KeeperID) error {
	return t.call(ctx, "MakeKeeper", func() error {
		environment := t.environment()
		switch {
		case !strings.HasPrefix(string(id), broker.KeeperPrefix):
			return keepError(broker.Misuse, "make keeper key", string(id), "it is no id of a keeper key")
		case environment == "":
			return keepError(broker.NotFound, "make keeper key", string(id), "the token has no seal key")
		}
		t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == broker.MaterialID(id) && o.unwrapped })
		if _, err := t.keeper(id); !errors.Is(err, broker.NotFound) {
			return err
		}
		key := object{id: broker.MaterialID(id), class: classSecret, label: keeperLabel + environment, spec: broker.AES256, value: make([]byte, 32)}
		rand.Read(key.value)
		t.objects = append(t.objects, key)
		return nil
	})
}

// DestroyKeeper destroys a keeper key.
func (t *Token) DestroyKeeper(ctx context.Context, id broker.KeeperID) error {
	return t.call(ctx, "DestroyKeeper", func() error {
		if !strings.HasPrefix(string(id), broker.KeeperPrefix) {
			return keepError(broker.Misuse, "destroy keeper key", string(id), "it is no id of a keeper key")
		}
		t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == broker.MaterialID(id) })
		return nil
	})
}

// keeper is the value of a keeper key that can be used.
func (t *Token) keeper(id broker.KeeperID) ([]byte, error) {
	found := t.find(broker.MaterialID(id))
	switch {
	case !strings.HasPrefix(string(id), broker.KeeperPrefix): // no id at all finds all objects
		return nil, keepError(broker.Misuse, "use keeper key", string(id), "it is no id of a keeper key")
	case len(found) == 0:
		return nil, keepError(broker.NotFound, "find keeper key", string(id), "the token has none of that id")
	case len(found) > 1:
		return nil, keepError(broker.Conflict, "find keeper key", string(id), "the token has several")
	case found[0].unwrapped:
		return nil, keepError(broker.Rejected, "use keeper key", string(id), "it was not made in the token")
	case found[0].extractable:
		return nil, keepError(broker.Rejected, "use keeper key", string(id), "its CKA_EXTRACTABLE is true")
	case strings.TrimPrefix(found[0].label, keeperLabel) != t.environment():
		return nil, keepError(broker.Conflict, "use keeper key", string(id), fmt.Sprintf("its label is %q", found[0].label))
	}
	return found[0].value, nil
}

func keepError(kind broker.Kind, op, object, why string) error {
	return &broker.Error{Kind: kind, Op: op, Object: object, Cause: errors.New(why)}
}

// Keep wraps material under a keeper key.
func (t *Token) Keep(ctx context.Context, m broker.Material, under broker.KeeperID) ([]byte, error) {
	var wrapped []byte
	err := t.call(ctx, "Keep", func() error {
		o, err := t.one("keep", m)
		if err != nil {
			return err
		}
		key, err := t.keeper(under)
		switch {
		case err != nil:
			return err
		case !o.extractable:
			return keepError(broker.Rejected, "keep", m.String(), "it is sealed")
		case o.usage.Trusted:
			return keepError(broker.Rejected, "keep", m.String(), "it is wrapped under trusted keys alone")
		case slices.Contains(t.options.Unkeepable, o.spec):
			return keepError(broker.Unsupported, "keep", m.String(), "the token does not wrap such a key")
		}
		wrapped, err = wrapKWP(key, o.value)
		return err
	})
	return wrapped, err
}

// Open unwraps kept material.
func (t *Token) Open(ctx context.Context, in broker.OpenIn) (broker.Material, error) {
	var m broker.Material
	err := t.call(ctx, "Open", func() (err error) {
		m, err = t.open(in)
		return err
	})
	return m, err
}

func (t *Token) open(in broker.OpenIn) (broker.Material, error) {
	if err := t.own("open", broker.Material{ID: in.ID}); err != nil {
		return broker.Material{}, err
	}
	if in.Spec.Class() == "" {
		return broker.Material{}, keepError(broker.Unsupported, "open", "material "+string(in.ID), "the key spec is unknown")
	}
	key, err := t.keeper(in.Keeper)
	if err != nil {
		return broker.Material{}, err
	}
	o := object{id: in.ID, class: classSecret, label: in.Label, spec: in.Spec, usage: in.Usage, extractable: true, unwrapped: true}
	if o.value, err = unwrapKWP(key, in.Wrapped); err != nil {
		return broker.Material{}, keepError(broker.Rejected, "open", "material "+string(in.ID), err.Error())
	}
	opened := []object{o}
	if in.Spec.Secret() {
		if len(o.value) != in.Spec.Bits()/8 {
			return broker.Material{}, keepError(broker.Rejected, "open", "material "+string(in.ID), "it is no key of spec "+string(in.Spec))
		}
	} else if opened, err = openedPair(o, in); err != nil {
		return broker.Material{}, keepError(broker.Rejected, "open", "material "+string(in.ID), err.Error())
	}
	if err := t.openAlready(in); err == nil {
		return t.material(opened), nil
	} else if !errors.Is(err, broker.NotFound) {
		return broker.Material{}, err
	}
	t.objects = append(t.objects, opened...)
	return t.material(opened), nil
}

// openAlready is nil where material of that id is open, and what is asked is to open it.
func (t *Token) openAlready(in broker.OpenIn) error {
	for _, o := range t.find(in.ID) {
		switch {
		case o.usage.Session == in.Usage.Session && in.Usage.Session:
			return nil
		case !o.usage.Session && !in.Usage.Session:
			return keepError(broker.Conflict, "open", "material "+string(in.ID), "the token has an object of that id")
		}
	}
	return keepError(broker.NotFound, "open", "material "+string(in.ID), "it is not open")
}

func openedPair(private object, in broker.OpenIn) ([]object, error) {
	public, err := publicOf(in.Spec, private.value)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(public, in.PublicKey) {
		return nil, errors.New("it is another key pair")
	}
	private.class, private.public = classPrivate, public
	other := private
	other.class, other.value = classPublic, nil
	return []object{private, other}, nil
}

// Release ends what is open of an id.
func (t *Token) Release(ctx context.Context, id broker.MaterialID) error {
	return t.call(ctx, "Release", func() error {
		t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == id && o.usage.Session })
		return nil
	})
}
