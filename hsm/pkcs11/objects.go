package pkcs11

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// Objects lists what was there when it was asked; what goes away meanwhile is
// left out. The caller holds no session while it looks at them.
func (t *Token) Objects(ctx context.Context, q broker.ObjectQuery) iter.Seq2[broker.Object, error] {
	return func(yield func(broker.Object, error) bool) {
		var all []broker.Object
		err := t.do(ctx, "list objects of", t.name(), func(s *session) (err error) {
			all, err = s.objects(ctx, q)
			return err
		})
		if err != nil {
			yield(broker.Object{}, err)
			return
		}
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s *session) objects(ctx context.Context, q broker.ObjectQuery) ([]broker.Object, error) {
	var by template
	if q.ID != "" {
		by = template{attribute(p11.CKA_ID, q.ID)}
	}
	handles, err := s.find(ctx, by)
	if err != nil {
		return nil, err
	}
	all := make([]broker.Object, 0, len(handles))
	for _, h := range handles {
		got, err := s.read(ctx, h, evidenceKinds()...)
		switch {
		case gone(err):
			continue
		case unreadable(err):
			all = append(all, broker.Object{Class: broker.ClassUnreadable, Label: err.Error()})
			continue
		case err != nil:
			return nil, err
		}
		if class := got.class(); class != "" {
			all = append(all, broker.Object{
				ID: broker.ObjectID(got[p11.CKA_ID]), Class: class, Label: string(got[p11.CKA_LABEL]),
				Spec: got.spec(), Attributes: got.attributes(),
			})
		}
	}
	return all, nil
}

// unreadable: the token cannot say what this object is, and others are not the worse for
// it. SoftHSM leaves half an object where a process is killed while it writes one.
func unreadable(err error) bool {
	return is(err, p11.CKR_ATTRIBUTE_VALUE_INVALID, p11.CKR_GENERAL_ERROR, p11.CKR_FUNCTION_FAILED)
}

// gone reports an object that another process destroyed: tokens use either code.
func gone(err error) bool {
	return is(err, p11.CKR_OBJECT_HANDLE_INVALID, p11.CKR_KEY_HANDLE_INVALID)
}

// Change seals or destroys material.
func (t *Token) Change(ctx context.Context, m broker.Material, c broker.MaterialChange) error {
	if err := t.own(string(c), m); err != nil {
		return err
	}
	switch c {
	case broker.Seal:
		t.made.forget(m.ID)
		return t.do(ctx, "seal", m.String(), func(s *session) error { return s.sealMaterial(ctx, m) })
	case broker.Destroy:
		t.forget(m.ID)
		t.made.forget(m.ID)
		return t.do(ctx, "destroy", m.String(), func(s *session) error { return s.destroyMaterial(ctx, m.ID) })
	case broker.Discard, broker.DiscardUnborn:
		t.made.forget(m.ID)
		return t.do(ctx, "discard", m.String(), func(s *session) error { return s.discardMaterial(ctx, m, c) })
	default:
		return refuse(broker.Misuse, string(c), m.String(), "it is no change of material")
	}
}

// sealMaterial makes sure, by reading it back, that it cannot be wrapped again.
func (s *session) sealMaterial(ctx context.Context, m broker.Material) error {
	key, err := s.holder(ctx, "seal", m)
	if err != nil {
		return err
	}
	sealed, err := s.sealed(ctx, key)
	if err != nil || sealed {
		return err
	}
	err = s.set(ctx, key, template{attribute(p11.CKA_EXTRACTABLE, false)})
	if is(err, p11.CKR_ACTION_PROHIBITED, p11.CKR_ATTRIBUTE_READ_ONLY) {
		return refuse(broker.Unsupported, "seal", m.String(), "it was made unmodifiable: %w", err)
	}
	if err != nil {
		return err
	}
	if sealed, err = s.sealed(ctx, key); err == nil && !sealed {
		return refuse(broker.Rejected, "seal", m.String(), "the token answers that it is done, and it is not")
	}
	return err
}

func (s *session) sealed(ctx context.Context, key handle) (bool, error) {
	got, err := s.read(ctx, key, p11.CKA_EXTRACTABLE)
	extractable := got.flag(p11.CKA_EXTRACTABLE)
	return extractable != nil && !*extractable, err
}

// destroyMaterial destroys every object of an id. It goes on where one cannot be.
func (s *session) destroyMaterial(ctx context.Context, id broker.MaterialID) error {
	all, err := s.find(ctx, template{attribute(p11.CKA_ID, id)})
	if err != nil {
		return err
	}
	var faults []error
	for _, h := range all {
		faults = append(faults, s.destroy(ctx, h))
	}
	return errors.Join(faults...)
}

// discardMaterial destroys the very objects that were found not to be whole: by
// their handles, so that none that is made meanwhile goes with them.
func (s *session) discardMaterial(ctx context.Context, m broker.Material, c broker.MaterialChange) error {
	there, err := s.lookUp(ctx, m.ID)
	if err != nil || there.none() {
		return err
	}
	if _, _, err = there.whole("discard", m.ID, m.Spec); err == nil && c == broker.DiscardUnborn {
		_, _, err = s.born(ctx, there, "discard", m.ID, m.Spec)
	}
	switch {
	case err == nil:
		return refuse(broker.Conflict, "discard", m.String(), "it is whole")
	case !errors.Is(err, broker.Conflict):
		return err
	}
	return s.discard(ctx, slices.Concat(there.secret, there.private, there.public)...)
}
