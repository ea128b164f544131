package broker

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Compare decides whether the provider's answer shows the same material as the
// token's. Its error is Differs and says what: the material must then
// never be activated.
func (c Challenge) Compare(token, provider Answer, now time.Time) error {
	if age := now.Sub(c.madeAt); age < 0 || age > challengeLife {
		return fmt.Errorf("compare answers: challenge is %s old, %s are allowed: %w", age, challengeLife, Expired)
	}
	if err := c.compare(token, provider); err != nil {
		return &Error{Kind: Differs, Op: "compare answers of", Object: c.subject.Ref.Key.ID, Cause: err}
	}
	return nil
}

func (c Challenge) compare(token, provider Answer) error {
	switch c.subject.Level {
	case ProofPublicKey:
		return c.possession(token, provider)
	case ProofMAC:
		return same("MAC", token.Value, provider.Value)
	case ProofCipher:
		return same("decrypted challenge", c.message, provider.Value)
	case ProofReimport:
		return same("id of the current material", []byte(c.subject.Ref.ID), []byte(provider.Version))
	default:
		return fmt.Errorf("no comparison exists for %s", c.subject.Level)
	}
}

func same(what string, want, got []byte) error {
	if len(want) == 0 || !hmac.Equal(want, got) {
		return fmt.Errorf("%s differs", what)
	}
	return nil
}

func (c Challenge) possession(token, provider Answer) error {
	if err := same("public key", token.PublicKey, provider.PublicKey); err != nil {
		return err
	}
	if c.subject.PublicOnly {
		return nil
	}
	switch c.subject.Purpose {
	case Decrypt:
		return same("decrypted challenge", c.message, provider.Value)
	case Agree:
		return c.sharedSecret(token.PublicKey, provider.Value)
	default:
		return verifySignature(token.PublicKey, provider.Scheme, c.message, provider.Value)
	}
}

func (c Challenge) sharedSecret(spki, got []byte) error {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("parse public key: %w", err)
	}
	pub, err := ecdhPublic(parsed)
	if err != nil {
		return err
	}
	want, err := c.ephemeral.ECDH(pub)
	if err != nil {
		return fmt.Errorf("agree: %w", err)
	}
	return same("shared secret", want, got)
}

func ecdhPublic(pub any) (*ecdh.PublicKey, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%T cannot agree: %w", pub, Unsupported)
	}
	return key.ECDH()
}

// errSignature is all a failed verification tells.
var errSignature = errors.New("signature does not verify under the token's public key")

// verifySignature checks value over message under the key, by a scheme that fits it.
func verifySignature(spki []byte, scheme Scheme, message, value []byte) error {
	if point, ok := parseSecp256k1(spki); ok {
		digest := sha256.Sum256(message)
		return verdict(scheme == SchemeECDSA256 && point.verify(digest[:], value))
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return fmt.Errorf("parse public key: %w", err)
	}
	switch key := parsed.(type) {
	case *rsa.PublicKey:
		return verdict(verifyRSA(key, scheme, message, value))
	case *ecdsa.PublicKey:
		digest := digestFor(scheme, message)
		return verdict(digest != nil && ecdsa.VerifyASN1(key, digest, value))
	case ed25519.PublicKey:
		return verdict(scheme == SchemeEd25519 && ed25519.Verify(key, message, value))
	default:
		return fmt.Errorf("cannot verify signatures of %T: %w", parsed, Unsupported)
	}
}

func verdict(ok bool) error {
	if !ok {
		return errSignature
	}
	return nil
}

func verifyRSA(key *rsa.PublicKey, scheme Scheme, message, value []byte) bool {
	short, long := sha256.Sum256(message), sha512.Sum512(message)
	salted := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	switch scheme {
	case SchemePSS:
		return rsa.VerifyPSS(key, crypto.SHA256, short[:], value, salted) == nil
	case SchemePSS512:
		return rsa.VerifyPSS(key, crypto.SHA512, long[:], value, salted) == nil
	case SchemePKCS1:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, short[:], value) == nil
	case SchemePKCS1512:
		return rsa.VerifyPKCS1v15(key, crypto.SHA512, long[:], value) == nil
	default:
		return false
	}
}

// digestFor is nil for a scheme that is not ECDSA's: a signature over an empty
// digest can be forged without the key.
func digestFor(scheme Scheme, message []byte) []byte {
	switch scheme {
	case SchemeECDSA256:
		sum := sha256.Sum256(message)
		return sum[:]
	case SchemeECDSA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case SchemeECDSA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		return nil
	}
}

// CanonicalSPKI returns DER SubjectPublicKeyInfo in the one form answers are
// compared in: named curve, uncompressed point, rsaEncryption with NULL.
func CanonicalSPKI(der []byte) ([]byte, error) {
	if _, ok := parseSecp256k1(der); ok {
		return der, nil
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, &Error{Kind: Rejected, Op: "parse public key", Cause: err}
	}
	again, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, &Error{Kind: Rejected, Op: "encode public key", Cause: err}
	}
	return bytes.Clone(again), nil
}
