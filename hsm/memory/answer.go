package memory

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Answer performs the token's side of a proof: what the usage of the material
// allows, and nothing else.
func (t *Token) Answer(ctx context.Context, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	var a broker.Answer
	err := t.call(ctx, "Answer", func() error {
		o, err := t.one("answer", m)
		if err != nil {
			return err
		}
		a, err = answer(o, m, c)
		return err
	})
	return a, err
}

func answer(o *object, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	refuse := func(kind broker.Kind, why string) (broker.Answer, error) {
		return broker.Answer{}, &broker.Error{Kind: kind, Op: "answer a " + string(c.Level()) + " challenge with", Object: m.String(), Cause: errors.New(why)}
	}
	class := o.spec.Class()
	switch {
	case c.Spec() != o.spec:
		return refuse(broker.Unsupported, "the challenge is for "+string(c.Spec()))
	case c.Level() == broker.ProofPublicKey && !o.spec.Secret():
		return broker.Answer{PublicKey: slices.Clone(o.public)}, nil
	case c.Level() == broker.ProofMAC && class == broker.ClassHMAC:
		if !o.usage.MAC {
			return refuse(broker.Rejected, "it was not made for that use")
		}
		h := hmac.New(o.spec.HMACHash(), o.value)
		h.Write(c.Message())
		return broker.Answer{Scheme: broker.SchemeHMAC, Value: h.Sum(nil)}, nil
	case c.Level() == broker.ProofCipher && class == broker.ClassAES:
		if !o.usage.Encrypt {
			return refuse(broker.Rejected, "it was not made for that use")
		}
		value, err := encrypt(o.value, c.Message())
		return broker.Answer{Scheme: broker.SchemeGCM, Value: value}, err
	default:
		return refuse(broker.Unsupported, "no token can")
	}
}

func encrypt(key, message []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	return gcm.Seal(nonce, nonce, message, nil), nil
}
