package memory

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// The classes of objects, in broker.Object's words.
const (
	classSecret  = "secret"
	classPrivate = "private"
	classPublic  = "public"
	classData    = "data"
)

// object is what the token holds.
type object struct {
	id          broker.MaterialID
	class       string
	label       string
	spec        broker.KeySpec
	usage       broker.Usage
	extractable bool
	open        bool   // not sensitive: its owner can read its value
	unwrapped   bool   // it came into the token, and was not born there
	value       []byte // secret: the bytes; private: DER PKCS #8 (RFC 5208)
	public      []byte // pairs: DER SubjectPublicKeyInfo
}

func (o object) attributes() broker.Attributes {
	hidden := o.class == classSecret || o.class == classPrivate
	no, local, sensitive := false, !o.unwrapped, !o.open
	a := broker.Attributes{Local: &local, Modifiable: &o.usage.Modifiable, Private: &hidden}
	if hidden {
		a.WrapWithTrusted = &o.usage.Trusted
	}
	if hidden && o.unwrapped {
		a.Sensitive, a.AlwaysSensitive, a.Extractable, a.NeverExtractable = &sensitive, &no, &o.extractable, &no
	} else if hidden {
		a.Sensitive, a.AlwaysSensitive, a.Extractable, a.NeverExtractable = &sensitive, &sensitive, &o.extractable, &no
		a.KeyGenMechanism = genMechanism(o.spec)
	}
	return a
}

// Objects lists a snapshot.
func (t *Token) Objects(ctx context.Context, q broker.ObjectQuery) iter.Seq2[broker.Object, error] {
	return func(yield func(broker.Object, error) bool) {
		var found []object
		err := t.call(ctx, "Objects", func() error {
			found = t.find(q.ID)
			return nil
		})
		if err != nil {
			yield(broker.Object{}, err)
			return
		}
		for _, o := range found {
			if !yield(broker.Object{ID: o.id, Class: o.class, Label: o.label, Spec: o.spec, Attributes: o.attributes()}, nil) {
				return
			}
		}
	}
}

// find returns the objects of one id, or all of them.
func (t *Token) find(id broker.MaterialID) []object {
	var found []object
	for _, o := range t.objects {
		if id == "" || o.id == id {
			found = append(found, o)
		}
	}
	return found
}

// one is the object of m that holds the material.
func (t *Token) one(op string, m broker.Material) (*object, error) {
	refuse := func(kind broker.Kind, why string) (*object, error) {
		return nil, &broker.Error{Kind: kind, Op: op, Object: m.String(), Cause: errors.New(why)}
	}
	if err := t.own(op, m); err != nil {
		return nil, err
	}
	at := -1
	for i, o := range t.objects {
		if o.id != m.ID || o.class != classSecret && o.class != classPrivate {
			continue
		}
		if at >= 0 && t.objects[at].usage.Session {
			continue // what is open goes before what is stored
		}
		if o.usage.Session {
			at = -1
		}
		if at >= 0 {
			return refuse(broker.Conflict, "two objects have its id")
		}
		at = i
	}
	if at < 0 {
		return refuse(broker.NotFound, "the token has no such object")
	}
	return &t.objects[at], nil
}

// own refuses what is not material of this token.
func (t *Token) own(op string, m broker.Material) error {
	refuse := func(kind broker.Kind, why string) error {
		return &broker.Error{Kind: kind, Op: op, Object: m.String(), Cause: errors.New(why)}
	}
	switch {
	case m.ID == "":
		return refuse(broker.Misuse, "no id is named")
	case m.ID == sealID, strings.HasPrefix(string(m.ID), broker.KeeperPrefix):
		return refuse(broker.Misuse, "it is no key material")
	case m.TokenSerial != "" && m.TokenSerial != t.options.Serial:
		return refuse(broker.NotFound, "this is token "+t.options.Serial)
	default:
		return nil
	}
}

// Change seals or destroys material.
func (t *Token) Change(ctx context.Context, m broker.Material, c broker.MaterialChange) error {
	return t.call(ctx, "Change", func() error {
		if err := t.own(string(c), m); err != nil {
			return err
		}
		switch c {
		case broker.Seal:
			return t.sealMaterial(m)
		case broker.Destroy:
			t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == m.ID })
			return nil
		case broker.Discard, broker.DiscardUnborn:
			return t.discard(m, c)
		default:
			return &broker.Error{Kind: broker.Misuse, Op: string(c), Object: m.String(), Cause: errors.New("it is no change of material")}
		}
	})
}

func (t *Token) discard(m broker.Material, c broker.MaterialChange) error {
	have := t.find(m.ID)
	if len(have) == 0 {
		return nil
	}
	_, err := t.whole(broker.GenerateIn{ID: m.ID, Spec: m.Spec, Usage: have[0].usage}, have)
	if err == nil && (c == broker.Discard || !have[0].unwrapped) {
		return &broker.Error{Kind: broker.Conflict, Op: "discard", Object: m.String(), Cause: errors.New("it is whole")}
	}
	t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == m.ID })
	return nil
}

func (t *Token) sealMaterial(m broker.Material) error {
	o, err := t.one("seal", m)
	if err != nil {
		return err
	}
	if !o.extractable {
		return nil
	}
	if !o.usage.Modifiable {
		return &broker.Error{Kind: broker.Unsupported, Op: "seal", Object: m.String(), Cause: errors.New("it was made unmodifiable")}
	}
	o.extractable = false
	return nil
}

// Lose takes away every object of one id and class (secret, private, public), as
// a run that was killed between two of them leaves a token.
func (t *Token) Lose(id broker.MaterialID, class string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.id == id && o.class == class })
}

// Restart is what the end of the process that uses the token does to it: what was no
// more than a session object is gone.
func (t *Token) Restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.objects = slices.DeleteFunc(t.objects, func(o object) bool { return o.usage.Session })
}

// Twin doubles every object of one id, as two runs at once leave a token.
func (t *Token) Twin(id broker.MaterialID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.objects = append(t.objects, t.find(id)...)
}
