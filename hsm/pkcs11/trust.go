package pkcs11

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// trustedPrefix begins the CKA_ID of a wrapping key that an officer marked with Trust;
// its fingerprint follows, as far as 32 characters of it.
const trustedPrefix = "keyferry-trusted-"

// Trusts looks for the wrapping key among the objects that are TRUSTED.
func (t *Token) Trusts(ctx context.Context, key broker.CheckedWrappingKey) error {
	return t.do(ctx, "look for", "trusted wrapping key "+key.Fingerprint(), func(s *session) error {
		_, err := s.marked(ctx, key)
		return err
	})
}

// Trust makes the wrapping key an object that is TRUSTED from its birth: a token that
// guards the mark takes it from its security officer alone, and some not later.
func (t *Token) Trust(ctx context.Context, key broker.CheckedWrappingKey) (before bool, err error) {
	object := "wrapping key " + key.Fingerprint()
	switch {
	case key.PublicKey() == nil:
		return false, refuse(broker.Rejected, "trust", object, "it was not checked")
	case !t.config.Officer:
		return false, refuse(broker.Misuse, "trust", object, "the security officer is not logged in")
	}
	err = t.do(ctx, "trust", object, func(s *session) error {
		_, err := s.marked(ctx, key)
		if before = err == nil; before || !errors.Is(err, broker.Denied) {
			return err
		}
		h, err := s.create(ctx, trustedTemplate(key))
		if err != nil {
			return err
		}
		if _, err = s.marked(ctx, key); err != nil {
			return errors.Join(refuse(broker.Rejected, "trust", object, "what the token made of it is not trusted, and was destroyed"), s.destroy(ctx, h))
		}
		return nil
	})
	return before, err
}

// marked is the object with the wrapping key that is TRUSTED; Denied where there is none.
// What a search answers is read again: not every token looks at all that is asked.
func (s *session) marked(ctx context.Context, key broker.CheckedWrappingKey) (handle, error) {
	public := key.PublicKey()
	if public == nil {
		return 0, refuse(broker.Rejected, "look for", "trusted wrapping key", "it was not checked")
	}
	all, err := s.find(ctx, append(publicKeyTemplate(public), attribute(p11.CKA_TRUSTED, true)))
	if err != nil {
		return 0, err
	}
	for _, h := range all {
		got, err := s.read(ctx, h, p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT, p11.CKA_TRUSTED, p11.CKA_WRAP)
		if err != nil {
			return 0, err
		}
		if isSet(got, p11.CKA_TRUSTED) && isSet(got, p11.CKA_WRAP) && got.holds(public) {
			return h, nil
		}
	}
	return 0, refuse(broker.Denied, "find", "wrapping key "+key.Fingerprint(), "the token has none that its security officer marked as trusted")
}

func isSet(f facts, kind uint) bool {
	set := f.flag(kind)
	return set != nil && *set
}

// holds reports whether an object is a public key.
func (f facts) holds(key *rsa.PublicKey) bool {
	for _, want := range publicKeyTemplate(key)[2:] {
		if !bytes.Equal(bytes.TrimLeft(f[want.Type], "\x00"), want.Value) {
			return false
		}
	}
	return true
}

// wrapUnderMarked wraps under the object that the officer made: one that is made for this
// use would be the user's own.
func (s *session) wrapUnderMarked(ctx context.Context, key broker.CheckedWrappingKey, material handle) ([]byte, error) {
	under, err := s.marked(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.wrapBy(ctx, key.Plan(), under, key.PublicKey().Size(), material)
}

func trustedTemplate(key broker.CheckedWrappingKey) template {
	return append(
		without(wrappingKeyTemplate(key.PublicKey()), p11.CKA_TOKEN), attribute(p11.CKA_TOKEN, true), attribute(p11.CKA_TRUSTED, true),
		attribute(p11.CKA_ID, trustedPrefix+key.Fingerprint()[:32]), attribute(p11.CKA_LABEL, "keyferry trusted wrapping key"),
	)
}
