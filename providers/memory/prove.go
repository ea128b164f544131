package memory

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// Prove answers with the material that is there, by the version's own name or
// by what consumers use.
func (p *Provider) Prove(ctx context.Context, ref broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	var out broker.Answer
	err := p.read(ctx, "prove", ref.Key.ID, func() error {
		k, v, err := p.addressed(ref)
		if err == nil {
			err = k.usable(v, c, p.c.Now())
		}
		if err != nil {
			return err
		}
		out, err = answer(v, c)
		out.Receipt = p.receipt("prove")
		return err
	})
	return out, err
}

func answer(v *version, c broker.Challenge) (a broker.Answer, err error) {
	a.Version = v.id
	switch c.Level() {
	case broker.ProofPublicKey:
		if v.material.pair == nil {
			return broker.Answer{}, fmt.Errorf("it is no key pair: %w", broker.Unsupported)
		}
		if a.PublicKey, err = x509.MarshalPKIXPublicKey(v.material.pair.Public()); err != nil {
			return broker.Answer{}, fmt.Errorf("encode public key: %w", err)
		}
		if c.PublicOnly() {
			return a, nil
		}
		a.Scheme, a.Value, err = possession(v.material.pair, c)
	case broker.ProofMAC:
		mac := hmac.New(c.Spec().HMACHash(), v.material.raw)
		mac.Write(c.Message())
		a.Scheme, a.Value = broker.SchemeHMAC, mac.Sum(nil)
	case broker.ProofCipher:
		a.Scheme = broker.SchemeDecrypted
		a.Value, err = decryptGCM(v.material.raw, c.Ciphertext())
	case broker.ProofReimport:
	case broker.ProofAccepted:
		a.Reason = "it was accepted"
	default:
		err = fmt.Errorf("no proof by %s: %w", c.Level(), broker.Unsupported)
	}
	return a, err
}

func possession(pair crypto.Signer, c broker.Challenge) (broker.Scheme, []byte, error) {
	switch c.Purpose() {
	case broker.Decrypt:
		key, ok := pair.(*rsa.PrivateKey)
		if !ok {
			return "", nil, fmt.Errorf("%T does not decrypt: %w", pair, broker.Unsupported)
		}
		value, err := key.Decrypt(nil, c.Ciphertext(), &rsa.OAEPOptions{Hash: crypto.SHA256})
		return broker.SchemeDecrypted, value, differs(err)
	case broker.Agree:
		value, err := agree(pair, c.Peer())
		return broker.SchemeShared, value, refused(err)
	default:
		return sign(pair, c.Message())
	}
}

func sign(pair crypto.Signer, message []byte) (broker.Scheme, []byte, error) {
	scheme, options := broker.SchemeECDSA256, crypto.SignerOpts(crypto.SHA256)
	switch key := pair.(type) {
	case *rsa.PrivateKey:
		scheme, options = broker.SchemePSS, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	case *ecdsa.PrivateKey:
		switch key.Curve.Params().BitSize {
		case 384:
			scheme, options = broker.SchemeECDSA384, crypto.SHA384
		case 521:
			scheme, options = broker.SchemeECDSA512, crypto.SHA512
		}
	case ed25519.PrivateKey:
		return broker.SchemeEd25519, ed25519.Sign(key, message), nil
	}
	hash := options.HashFunc().New()
	hash.Write(message)
	value, err := pair.Sign(rand.Reader, hash.Sum(nil), options)
	return scheme, value, refused(err)
}

func agree(pair crypto.Signer, peer []byte) ([]byte, error) {
	key, ok := pair.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%T does not agree: %w", pair, broker.Unsupported)
	}
	mine, err := key.ECDH()
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(peer)
	if err != nil {
		return nil, fmt.Errorf("parse peer: %w", err)
	}
	var theirs *ecdh.PublicKey
	switch pub := parsed.(type) {
	case *ecdh.PublicKey:
		theirs = pub
	case *ecdsa.PublicKey:
		if theirs, err = pub.ECDH(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the peer's key is %T", parsed)
	}
	return mine.ECDH(theirs)
}

// decryptGCM takes 12-byte nonce ‖ ciphertext ‖ 16-byte tag.
func decryptGCM(key, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, refused(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, refused(err)
	}
	out, err := gcm.Open(nil, nil, sealed, nil)
	return out, differs(err)
}

// refused is the final answer that the material does not do this.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", broker.Rejected, err)
}

// differs is the answer that a ciphertext was not made by this material.
func differs(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", broker.Differs, err)
}
