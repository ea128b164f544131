package pkcs11

import (
	"context"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// anchorApplication marks the broker's data objects.
const anchorApplication = "keyferry"

// Anchor reads a record that SetAnchor kept: a data object of the broker's own,
// and the one place where a CKA_VALUE is read.
func (t *Token) Anchor(ctx context.Context, name string) ([]byte, error) {
	var record []byte
	err := t.do(ctx, "read anchor", name, func(s *session) (err error) {
		record, err = s.anchorAgain(ctx, name)
		if err != nil || record != nil {
			return err
		}
		all, err := s.find(ctx, anchorTemplate(name))
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return refuse(broker.NotFound, "read anchor", name, "the token keeps none")
		}
		s.anchored(name, all)
		got, err := s.read(ctx, all[0], p11.CKA_VALUE)
		record = got[p11.CKA_VALUE]
		return err
	})
	return record, err
}

// anchorAgain reads the object that the session found before; nil where it is to be searched
// for: it was not found yet, or others have replaced it.
func (s *session) anchorAgain(ctx context.Context, name string) ([]byte, error) {
	h, ok := s.anchors[name]
	if !ok {
		return nil, nil
	}
	got, err := s.read(ctx, h, p11.CKA_VALUE, p11.CKA_LABEL)
	if gone(err) || err == nil && string(got[p11.CKA_LABEL]) != name {
		delete(s.anchors, name)
		return nil, nil
	}
	return got[p11.CKA_VALUE], err
}

// anchored keeps the handle of the one object that there is of a name: a search takes some
// tokens as long as they have objects.
func (s *session) anchored(name string, all []handle) {
	if len(all) != 1 {
		return
	}
	if s.anchors == nil {
		s.anchors = map[string]handle{}
	}
	s.anchors[name] = all[0]
}

// SetAnchor replaces the record. Between two records there is a moment with both
// of them, and never one with none.
func (t *Token) SetAnchor(ctx context.Context, name string, record []byte) error {
	return t.do(ctx, "keep anchor", name, func(s *session) error {
		old, err := s.anchorObjects(ctx, name)
		if err != nil {
			return err
		}
		value := attribute(p11.CKA_VALUE, record)
		if len(old) == 1 {
			if err := s.set(ctx, old[0], template{value}); !is(err, p11.CKR_ATTRIBUTE_READ_ONLY, p11.CKR_ACTION_PROHIBITED) {
				return err
			}
		}
		delete(s.anchors, name)
		made, err := s.create(ctx, append(anchorTemplate(name), value, attribute(p11.CKA_MODIFIABLE, true)))
		if is(err, p11.CKR_ATTRIBUTE_VALUE_INVALID, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_TEMPLATE_INCONSISTENT) {
			return refuse(broker.Unsupported, "keep anchor", name, "the token has no data objects: %w", err)
		}
		if err != nil {
			return err
		}
		s.anchored(name, []handle{made})
		return s.discard(ctx, old...)
	})
}

// anchorObjects of a name: the one that the session knows, if it is still there, else all.
func (s *session) anchorObjects(ctx context.Context, name string) ([]handle, error) {
	if there, err := s.anchorAgain(ctx, name); err != nil || there != nil {
		return []handle{s.anchors[name]}, err
	}
	all, err := s.find(ctx, anchorTemplate(name))
	if err == nil {
		s.anchored(name, all)
	}
	return all, err
}

func anchorTemplate(name string) template {
	return template{
		attribute(p11.CKA_CLASS, uint(p11.CKO_DATA)),
		attribute(p11.CKA_TOKEN, true),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_APPLICATION, anchorApplication),
		attribute(p11.CKA_LABEL, name),
	}
}
