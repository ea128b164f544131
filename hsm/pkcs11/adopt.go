package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// Adopt is the handle of material that somebody else made. It is held against what
// wrapping and the proofs need of it, and against nothing else.
func (t *Token) Adopt(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	object := "material " + string(in.ID)
	if err := t.own("adopt", broker.Material{ID: in.ID}); err != nil {
		return broker.Material{}, err
	}
	if in.Spec.Class() == "" {
		return broker.Material{}, refuse(broker.Unsupported, "adopt", object, "the key spec %q is unknown", in.Spec)
	}
	var m broker.Material
	err := t.do(ctx, "adopt", object, func(s *session) (err error) {
		m, err = t.adopt(ctx, s, in)
		return err
	})
	if err != nil {
		return broker.Material{}, err
	}
	return m, nil
}

func (t *Token) adopt(ctx context.Context, s *session, in broker.GenerateIn) (broker.Material, error) {
	there, err := s.lookUp(ctx, in.ID)
	if err != nil {
		return broker.Material{}, err
	}
	key, public, err := there.whole("adopt", in.ID, in.Spec)
	if err != nil {
		return broker.Material{}, err
	}
	got, err := s.read(ctx, key, evidenceKinds()...)
	if err != nil {
		return broker.Material{}, fmt.Errorf("read attributes: %w", err)
	}
	if err := got.serves(in); err != nil {
		return broker.Material{}, &broker.Error{
			Kind: broker.Conflict, Op: "adopt", Object: "material " + string(in.ID), Cause: err,
			Hint: "nothing was changed; its attributes were fixed when it was made: bring another key, or let keyferry make one",
		}
	}
	m, _, err := t.material(ctx, s, in, key, public)
	return m, err
}

// serves says all that material lacks for what was asked. A use that it has besides
// is its owner's affair.
func (f facts) serves(in broker.GenerateIn) error {
	if got := f.spec(); got != in.Spec {
		return fmt.Errorf("the token holds %s, %s was asked", specOr(got), in.Spec)
	}
	var missing []string
	for _, want := range []struct {
		name  string
		kind  uint
		asked bool
	}{
		{"CKA_SENSITIVE", p11.CKA_SENSITIVE, true},
		{"CKA_EXTRACTABLE", p11.CKA_EXTRACTABLE, true}, // wrapping needs it
		{"CKA_MODIFIABLE", p11.CKA_MODIFIABLE, in.Usage.Modifiable},
		{"CKA_SIGN", p11.CKA_SIGN, in.Usage.MAC},
		{"CKA_ENCRYPT", p11.CKA_ENCRYPT, in.Usage.Encrypt},
		{"CKA_WRAP_WITH_TRUSTED", p11.CKA_WRAP_WITH_TRUSTED, in.Usage.Trusted},
	} {
		if got := f.flag(want.kind); want.asked && (got == nil || !*got) {
			missing = append(missing, fmt.Sprintf("%s is %s, true is needed", want.name, shown(got)))
		}
	}
	if trusted := f.flag(p11.CKA_WRAP_WITH_TRUSTED); trusted != nil && *trusted && !in.Usage.Trusted {
		missing = append(missing, "CKA_WRAP_WITH_TRUSTED is true, which a policy with wrap_with_trusted: true takes")
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "; "))
	}
	return nil
}

func specOr(spec broker.KeySpec) string {
	if spec == "" {
		return "a key of no spec that the broker knows"
	}
	return string(spec)
}
