package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	_ "crypto/sha1"   //nolint:gosec // HMAC-SHA-1 is a key spec
	_ "crypto/sha256" // HMAC-SHA-224 and -256
	_ "crypto/sha512" // HMAC-SHA-384 and -512

	"github.com/keyferry/keyferry/broker"
)

// challenge of a level for material.
func challenge(m broker.Material, level broker.ProofLevel) (broker.Challenge, error) {
	return broker.NewChallenge(broker.ChallengeSubject{
		Effect: "hsmtest", Provider: "hsmtest", Level: level, Spec: m.Spec, Purpose: m.Spec.Purposes()[0], PublicKey: m.PublicKey,
	}, time.Now())
}

func (s *suite) ask(ctx context.Context, m broker.Material, level broker.ProofLevel) (broker.Challenge, broker.Answer, error) {
	c, err := challenge(m, level)
	if err != nil {
		return c, broker.Answer{}, err
	}
	a, err := s.Token.Answer(ctx, m, c)
	return c, a, err
}

// sameMAC: the token's MAC of a challenge is the one that key makes.
func (s *suite) sameMAC(ctx context.Context, m broker.Material, key []byte) error {
	c, mine, err := s.ask(ctx, m, broker.ProofMAC)
	if err != nil {
		return err
	}
	h := hmac.New(hashOf(m.Spec).New, key)
	h.Write(c.Message())
	theirs := broker.Answer{Scheme: broker.SchemeHMAC, Value: h.Sum(nil)}
	return all(that(mine.Scheme == broker.SchemeHMAC, "the scheme is %s", mine.Scheme), c.Compare(mine, theirs, time.Now()))
}

func hashOf(spec broker.KeySpec) crypto.Hash {
	switch spec {
	case broker.HMACSHA1:
		return crypto.SHA1
	case broker.HMAC224:
		return crypto.SHA224
	case broker.HMAC384:
		return crypto.SHA384
	case broker.HMAC512:
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

// decrypts: key opens what the token encrypted.
func (s *suite) decrypts(ctx context.Context, m broker.Material, key []byte) error {
	c, mine, err := s.ask(ctx, m, broker.ProofCipher)
	if err != nil {
		return err
	}
	plain, err := decrypt(mine, key)
	if err != nil {
		return err
	}
	return c.Compare(mine, broker.Answer{Scheme: broker.SchemeDecrypted, Value: plain}, time.Now())
}

func decrypt(a broker.Answer, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Scheme == broker.SchemeGCM && len(a.Value) > 12+16:
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		return gcm.Open(nil, a.Value[:12], a.Value[12:], nil)
	case a.Scheme == broker.SchemeCBC && len(a.Value) > 16 && len(a.Value)%16 == 0:
		plain := make([]byte, len(a.Value)-16)
		cipher.NewCBCDecrypter(block, a.Value[:16]).CryptBlocks(plain, a.Value[16:])
		return plain[:len(plain)-int(plain[len(plain)-1])], nil
	default:
		return nil, fmt.Errorf("scheme %q with %d bytes", a.Scheme, len(a.Value))
	}
}

func answersMAC(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.HMAC256)
	if err != nil {
		return err
	}
	c, err := challenge(m, broker.ProofMAC)
	if err != nil {
		return err
	}
	one, err := s.Token.Answer(ctx, m, c)
	two, again := s.Token.Answer(ctx, m, c)
	return all(err, again,
		that(len(one.Value) == 32 && bytes.Equal(one.Value, two.Value), "two MACs of one message differ"))
}

func answersCipher(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	c, err := challenge(m, broker.ProofCipher)
	if err != nil {
		return err
	}
	one, err := s.Token.Answer(ctx, m, c)
	two, again := s.Token.Answer(ctx, m, c)
	if err := all(err, again, that(len(one.Value) > 16 && len(two.Value) > 16, "too short")); err != nil {
		return err
	}
	return that(!bytes.Equal(one.Value[:12], two.Value[:12]), "two encryptions share a nonce")
}

func answersPublicKey(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range s.specs() {
		if spec.Secret() {
			continue
		}
		m, err := s.material(ctx, spec)
		if err != nil {
			return err
		}
		_, a, err := s.ask(ctx, m, broker.ProofPublicKey)
		faults = append(faults, err, that(bytes.Equal(a.PublicKey, m.PublicKey), "%s: it is another public key", spec),
			that(len(a.Value) == 0, "%s: the private half was used", spec))
	}
	return all(faults...)
}

func noOtherUse(ctx context.Context, s *suite) error {
	aesKey, err := s.generate(ctx, broker.AES256, broker.Usage{})
	if err != nil {
		return err
	}
	macKey, err := s.generate(ctx, broker.HMAC256, broker.Usage{})
	if err != nil {
		return err
	}
	refused := func(m broker.Material, level broker.ProofLevel, kinds ...broker.Kind) error {
		_, a, err := s.ask(ctx, m, level)
		for _, kind := range kinds {
			if broker.KindOf(err) == kind && err != nil && len(a.Value) == 0 {
				return nil
			}
		}
		return fmt.Errorf("%s answers a %s challenge with %d bytes, error %w", m.Spec, level, len(a.Value), errors.Join(err, broker.Conflict))
	}
	return all(
		refused(aesKey, broker.ProofCipher, broker.Rejected, broker.Unsupported),
		refused(macKey, broker.ProofMAC, broker.Rejected, broker.Unsupported),
		refused(aesKey, broker.ProofMAC, broker.Unsupported),
		refused(macKey, broker.ProofCipher, broker.Unsupported),
		refused(aesKey, broker.ProofAccepted, broker.Unsupported),
		s.otherSpec(ctx, aesKey),
	)
}

// otherSpec: a challenge for another spec is not answered.
func (s *suite) otherSpec(ctx context.Context, m broker.Material) error {
	other := m
	other.Spec = broker.AES128
	c, err := challenge(other, broker.ProofCipher)
	if err != nil {
		return err
	}
	_, err = s.Token.Answer(ctx, m, c)
	return want("a challenge for another spec", err, broker.Unsupported)
}
