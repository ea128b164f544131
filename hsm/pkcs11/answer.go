package pkcs11

import (
	"context"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// Answer performs the token's side of a proof.
func (t *Token) Answer(ctx context.Context, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	op := "answer a " + string(c.Level()) + " challenge with"
	if err := t.own(op, m); err != nil {
		return broker.Answer{}, err
	}
	if c.Spec() != m.Spec {
		return broker.Answer{}, refuse(broker.Unsupported, op, m.String(), "the challenge is for %s", c.Spec())
	}
	var a broker.Answer
	err := t.do(ctx, op, m.String(), func(s *session) (err error) {
		a, err = t.answer(ctx, s, op, m, c)
		return err
	})
	return a, err
}

func (t *Token) answer(ctx context.Context, s *session, op string, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	class := m.Spec.Class()
	switch {
	case c.Level() == broker.ProofPublicKey && !m.Spec.Secret():
		if open, ok := t.open(m.ID, s.epoch); ok {
			return broker.Answer{PublicKey: open.spki}, nil
		}
		return t.answerPublicKey(ctx, s, op, m)
	case c.Level() == broker.ProofMAC && class == broker.ClassHMAC, c.Level() == broker.ProofCipher && class == broker.ClassAES:
	default:
		return broker.Answer{}, refuse(broker.Unsupported, op, m.String(), "no token can")
	}
	key, err := t.holder(ctx, s, op, m)
	if err != nil {
		return broker.Answer{}, err
	}
	if class == broker.ClassAES {
		return s.seal(ctx, key, c.Message())
	}
	mac, err := s.sign(ctx, hmacMechanism(m.Spec), key, c.Message())
	return broker.Answer{Scheme: broker.SchemeHMAC, Value: mac}, err
}

func (t *Token) answerPublicKey(ctx context.Context, s *session, op string, m broker.Material) (broker.Answer, error) {
	known, err := t.known(ctx, s, m.ID)
	public := known.public
	if err == nil && public == 0 {
		var there found
		if there, err = s.lookUp(ctx, m.ID); err == nil {
			_, public, err = there.whole(op, m.ID, m.Spec)
		}
	}
	if err != nil {
		return broker.Answer{}, err
	}
	spki, err := s.publicKey(ctx, public, m.Spec)
	return broker.Answer{PublicKey: spki}, err
}

func hmacMechanism(spec broker.KeySpec) uint {
	switch spec {
	case broker.HMACSHA1:
		return p11.CKM_SHA_1_HMAC
	case broker.HMAC224:
		return p11.CKM_SHA224_HMAC
	case broker.HMAC384:
		return p11.CKM_SHA384_HMAC
	case broker.HMAC512:
		return p11.CKM_SHA512_HMAC
	default:
		return p11.CKM_SHA256_HMAC
	}
}

// The sizes of a GCM nonce and tag (SP 800-38D), and of a CBC IV.
const (
	gcmNonce = 12
	gcmTag   = 16
	cbcIV    = 16
)

// seal encrypts under a nonce of the token's own generator: by GCM, or where the
// token has none by CBC.
func (s *session) seal(ctx context.Context, key handle, message []byte) (broker.Answer, error) {
	nonce, err := s.random(ctx, cbcIV)
	if err != nil {
		return broker.Answer{}, err
	}
	sealed, err := s.sealGCM(ctx, key, nonce[:gcmNonce], message)
	if err == nil {
		return broker.Answer{Scheme: broker.SchemeGCM, Value: sealed}, nil
	}
	if !is(err, p11.CKR_MECHANISM_INVALID, p11.CKR_MECHANISM_PARAM_INVALID, p11.CKR_FUNCTION_NOT_SUPPORTED) {
		return broker.Answer{}, err
	}
	body, err := s.encrypt(ctx, mechanism(p11.CKM_AES_CBC_PAD, nonce), key, message)
	return broker.Answer{Scheme: broker.SchemeCBC, Value: append(nonce, body...)}, err
}

// sealGCM reads the nonce back: some tokens replace it by one of their own.
func (s *session) sealGCM(ctx context.Context, key handle, nonce, message []byte) ([]byte, error) {
	params := p11.NewGCMParams(nonce, nil, 8*gcmTag)
	defer params.Free()
	body, err := s.encrypt(ctx, mechanism(p11.CKM_AES_GCM, params), key, message)
	if err != nil {
		return nil, err
	}
	return append(params.IV(), body...), nil
}
