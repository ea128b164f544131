package pkcs11

import (
	"context"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// anchorApplication marks the broker's data objects.
const anchorApplication = "keyferry"

// Anchor reads what SetAnchor kept: data objects of the broker's own, and the one place
// where a CKA_VALUE is read.
func (t *Token) Anchor(ctx context.Context, name string) ([][]byte, error) {
	var records [][]byte
	err := t.do(ctx, "read anchor", name, func(s *session) error {
		all, err := s.find(ctx, anchorTemplate(name))
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return refuse(broker.NotFound, "read anchor", name, "the token keeps none")
		}
		for _, h := range all {
			got, err := s.read(ctx, h, p11.CKA_VALUE)
			if gone(err) {
				continue // replaced meanwhile: what replaced it was found, or is newer than this look
			}
			if err != nil {
				return err
			}
			records = append(records, got[p11.CKA_VALUE])
		}
		return nil
	})
	return records, err
}

// SetAnchor replaces the record. Where a token does not let an object be changed there is
// a moment with both, and never one with none; two writers at once, or one that is killed,
// leave both until the next. All that was there before goes: it is searched for each time.
func (t *Token) SetAnchor(ctx context.Context, name string, record []byte) error {
	return t.do(ctx, "keep anchor", name, func(s *session) error {
		old, err := s.find(ctx, anchorTemplate(name))
		if err != nil {
			return err
		}
		value := attribute(p11.CKA_VALUE, record)
		if len(old) == 1 {
			if err := s.set(ctx, old[0], template{value}); !is(err, p11.CKR_ATTRIBUTE_READ_ONLY, p11.CKR_ACTION_PROHIBITED) {
				return err
			}
		}
		_, err = s.create(ctx, append(anchorTemplate(name), value, attribute(p11.CKA_MODIFIABLE, true)))
		if is(err, p11.CKR_ATTRIBUTE_VALUE_INVALID, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_TEMPLATE_INCONSISTENT) {
			return refuse(broker.Unsupported, "keep anchor", name, "the token has no data objects: %w", err)
		}
		if err != nil {
			return err
		}
		return s.discard(ctx, old...)
	})
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
