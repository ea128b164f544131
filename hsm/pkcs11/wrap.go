package pkcs11

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// Wrap wraps material under a wrapping key that the broker checked, by its plan.
// The wrapping key is in the token for this one use.
func (t *Token) Wrap(ctx context.Context, m broker.Material, key broker.CheckedWrappingKey) ([]byte, error) {
	if err := t.own("wrap", m); err != nil {
		return nil, err
	}
	if key.PublicKey() == nil {
		return nil, refuse(broker.Rejected, "wrap", m.String(), "the wrapping key was not checked")
	}
	if err := t.planned(ctx, m, key.Plan()); err != nil {
		return nil, err
	}
	var out []byte
	err := t.do(ctx, "wrap", m.String(), func(s *session) error {
		material, err := t.holder(ctx, s, "wrap", m)
		if err != nil {
			return err
		}
		if set := m.Attributes.WrapWithTrusted; set != nil && *set {
			out, err = s.wrapUnderMarked(ctx, key, material)
		} else {
			out, err = s.wrapUnder(ctx, key.PublicKey(), key.Plan(), material)
		}
		return err
	})
	return out, err
}

// planned refuses a plan that is not this token's.
func (t *Token) planned(ctx context.Context, m broker.Material, plan broker.Plan) error {
	if plan.Spec != m.Spec {
		return refuse(broker.Unsupported, "wrap", m.String(), "the plan is for %s, the material is %s", plan.Spec, m.Spec)
	}
	plans, err := t.Plans(ctx)
	if err != nil {
		return err
	}
	for _, own := range plans {
		if own.Works && own.Spec == plan.Spec && own.Mechanism == plan.Mechanism && own.Way == plan.Way && own.AESNumber == plan.AESNumber {
			return nil
		}
	}
	return refuse(broker.Unsupported, "wrap", m.String(), "%s by %s is no plan of this token", plan.Mechanism, plan.Way)
}

// wrapUnder imports the wrapping key as a session object that can only wrap, and
// destroys it after use. The probe goes through here too.
func (s *session) wrapUnder(ctx context.Context, key *rsa.PublicKey, plan broker.Plan, material handle) (out []byte, err error) {
	under, err := s.create(ctx, wrappingKeyTemplate(key))
	if err != nil {
		return nil, fmt.Errorf("import the wrapping key: %w", err)
	}
	defer func() { err = errors.Join(err, s.destroy(ctx, under)) }()
	return s.wrapBy(ctx, plan, under, key.Size(), material)
}

// wrapBy wraps by a plan. What comes out is no shorter than the wrapping key.
func (s *session) wrapBy(ctx context.Context, plan broker.Plan, under handle, least int, material handle) (out []byte, err error) {
	switch plan.Way {
	case broker.Direct:
		out, err = s.wrapKey(ctx, oaep(plan.Mechanism), under, material)
	case broker.OneStep:
		out, err = s.wrapKey(ctx, rsaAESKeyWrap(plan.Mechanism), under, material)
	case broker.TwoStep:
		out, err = s.wrapTwice(ctx, plan, under, material)
	default:
		return nil, refuse(broker.Unsupported, "wrap by", string(plan.Way), "it is no way to wrap")
	}
	if err == nil && len(out) < least {
		return nil, refuse(broker.Rejected, "wrap by", string(plan.Way), "%d bytes came out, not %d or more", len(out), least)
	}
	return out, err
}

// wrapTwice is what CKM_RSA_AES_KEY_WRAP does, in two calls: an AES key made for
// this one use is wrapped under the RSA key, the material under the AES key.
func (s *session) wrapTwice(ctx context.Context, plan broker.Plan, under, material handle) (out []byte, err error) {
	ephemeral, err := s.generateKey(ctx, p11.CKM_AES_KEY_GEN, ephemeralTemplate())
	if err != nil {
		return nil, fmt.Errorf("make an ephemeral key: %w", err)
	}
	defer func() { err = errors.Join(err, s.destroy(ctx, ephemeral)) }()
	head, err := s.wrapKey(ctx, oaep(plan.Mechanism), under, ephemeral)
	if err != nil {
		return nil, fmt.Errorf("wrap the ephemeral key: %w", err)
	}
	tail, err := s.wrapKey(ctx, mechanism(plan.AESNumber, nil), ephemeral, material)
	if err != nil {
		return nil, fmt.Errorf("wrap under the ephemeral key: %w", err)
	}
	return append(head, tail...), nil
}

func wrappingKeyTemplate(key *rsa.PublicKey) template {
	return append(
		publicKeyTemplate(key),
		attribute(p11.CKA_TOKEN, false),
		attribute(p11.CKA_PRIVATE, false),
		attribute(p11.CKA_MODIFIABLE, false),
		attribute(p11.CKA_WRAP, true),
		attribute(p11.CKA_ENCRYPT, false),
		attribute(p11.CKA_VERIFY, false),
	)
}

func publicKeyTemplate(key *rsa.PublicKey) template {
	return template{
		attribute(p11.CKA_CLASS, uint(p11.CKO_PUBLIC_KEY)),
		attribute(p11.CKA_KEY_TYPE, uint(p11.CKK_RSA)),
		attribute(p11.CKA_MODULUS, key.N.Bytes()),
		attribute(p11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(key.E)).Bytes()),
	}
}

// oaepParams: one hash for OAEP and MGF1, no label. The source must be named, or
// some tokens refuse (0x71).
func oaepParams(m broker.Mechanism) *p11.OAEPParams {
	if m.SHA1() {
		return p11.NewOAEPParams(p11.CKM_SHA_1, p11.CKG_MGF1_SHA1, p11.CKZ_DATA_SPECIFIED, nil)
	}
	return p11.NewOAEPParams(p11.CKM_SHA256, p11.CKG_MGF1_SHA256, p11.CKZ_DATA_SPECIFIED, nil)
}

func oaep(m broker.Mechanism) []*p11.Mechanism {
	return mechanism(p11.CKM_RSA_PKCS_OAEP, oaepParams(m))
}

func rsaAESKeyWrap(m broker.Mechanism) []*p11.Mechanism {
	return mechanism(p11.CKM_RSA_AES_KEY_WRAP, &p11.RSAAESKeyWrapParams{AESKeyBits: 256, OAEPParams: *oaepParams(m)})
}
