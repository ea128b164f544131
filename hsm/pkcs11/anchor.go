package pkcs11

import (
	"context"
	"errors"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// anchorApplication marks the broker's data objects.
const anchorApplication = "keyferry"

// anchorTries is how often a record is read or written at most, each time with a new
// search: SoftHSM finds none, or answers CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR and others,
// where another writes or destroys it in the same moment.
const anchorTries = 3

// Anchor reads what SetAnchor kept: data objects of the broker's own, and the one place
// where a CKA_VALUE is read.
func (t *Token) Anchor(ctx context.Context, name string) (records [][]byte, err error) {
	err = t.tryAnchor(ctx, "read anchor", name, func(s *session) (err error) {
		records, err = s.anchors(ctx, name)
		return err
	})
	return records, err
}

func (s *session) anchors(ctx context.Context, name string) ([][]byte, error) {
	all, err := s.find(ctx, anchorTemplate(name))
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for _, h := range all {
		got, err := s.read(ctx, h, p11.CKA_VALUE)
		if gone(err) {
			continue // replaced meanwhile: what replaced it was found, or the next look finds it
		}
		if err != nil {
			return nil, err
		}
		records = append(records, got[p11.CKA_VALUE])
	}
	if len(records) == 0 {
		return nil, refuse(broker.NotFound, "read anchor", name, "the token keeps none")
	}
	return records, nil
}

// SetAnchor replaces the record. Where a token does not change the object, for whatever
// reason, there is a moment with both, and never one with none; two writers at once, or one
// that is killed, leave both until the next. All that was there before goes: it is searched
// for each time.
func (t *Token) SetAnchor(ctx context.Context, name string, record []byte) error {
	return t.tryAnchor(ctx, "keep anchor", name, func(s *session) error { return s.setAnchor(ctx, name, record) })
}

// tryAnchor does it again where there was none, and where a call failed that says nothing
// of what the token can.
func (t *Token) tryAnchor(ctx context.Context, op, name string, f func(*session) error) error {
	for try := 1; ; try++ {
		err := t.do(ctx, op, name, f)
		_, ofCall := errors.AsType[*callError](err)
		again := ofCall && !errors.Is(err, broker.Unsupported) || errors.Is(err, broker.NotFound)
		if !again || try == anchorTries {
			return err
		}
	}
}

func (s *session) setAnchor(ctx context.Context, name string, record []byte) error {
	old, err := s.find(ctx, anchorTemplate(name))
	if err != nil {
		return err
	}
	value := attribute(p11.CKA_VALUE, record)
	if len(old) == 1 && s.set(ctx, old[0], template{value}) == nil {
		return nil
	}
	_, err = s.create(ctx, append(anchorTemplate(name), value, attribute(p11.CKA_MODIFIABLE, true)))
	if len(old) == 0 && is(err, p11.CKR_ATTRIBUTE_VALUE_INVALID, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_TEMPLATE_INCONSISTENT) {
		return refuse(broker.Unsupported, "keep anchor", name, "the token has no data objects: %w", err)
	}
	if err != nil {
		return err
	}
	return s.discard(ctx, old...)
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
