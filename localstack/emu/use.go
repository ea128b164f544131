package emu

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"

	kecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// ErrUse is that a pair is not of a kind that can do this.
var ErrUse = errors.New("the key pair cannot be used for this")

// Sign signs a digest; with Ed25519, the message itself. For RSA opts is a
// crypto.Hash (PKCS #1 v1.5) or *rsa.PSSOptions; for all others it has no effect.
// ECDSA signatures are DER (RFC 3279 §2.2.3).
func (p *Pair) Sign(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	switch {
	case p.ed != nil:
		return ed25519.Sign(p.ed, digest), nil
	case p.koblitz != nil:
		return kecdsa.Sign(p.koblitz, digest).Serialize(), nil
	case p.ec != nil:
		return ecdsa.SignASN1(rand.Reader, p.ec, digest)
	default:
		return p.rsa.Sign(rand.Reader, digest, opts)
	}
}

// Verify is whether Sign with these could have made the signature.
func (p *Pair) Verify(digest, signature []byte, opts crypto.SignerOpts) bool {
	pss, isPSS := opts.(*rsa.PSSOptions)
	switch {
	case p.ed != nil:
		return ed25519.Verify(p.ed.Public().(ed25519.PublicKey), digest, signature)
	case p.koblitz != nil:
		s, err := kecdsa.ParseDERSignature(signature)
		return err == nil && s.Verify(digest, p.koblitz.PubKey())
	case p.ec != nil:
		return ecdsa.VerifyASN1(&p.ec.PublicKey, digest, signature)
	case isPSS:
		return rsa.VerifyPSS(&p.rsa.PublicKey, pss.HashFunc(), digest, signature, pss) == nil
	default:
		return rsa.VerifyPKCS1v15(&p.rsa.PublicKey, opts.HashFunc(), digest, signature) == nil
	}
}

// Encrypt is RSAES-OAEP without a label, MGF1 with the same hash. Its error is
// [ErrUse] if the pair is not RSA.
func (p *Pair) Encrypt(h crypto.Hash, plaintext []byte) ([]byte, error) {
	if p.rsa == nil {
		return nil, ErrUse
	}
	return rsa.EncryptOAEP(h.New(), rand.Reader, &p.rsa.PublicKey, plaintext, nil)
}

// Decrypt undoes Encrypt.
func (p *Pair) Decrypt(h crypto.Hash, ciphertext []byte) ([]byte, error) {
	if p.rsa == nil {
		return nil, ErrUse
	}
	return rsa.DecryptOAEP(h.New(), nil, p.rsa, ciphertext, nil)
}

// Agree derives the shared secret with a peer on the same NIST curve (SP 800-56A
// §5.7.1.2: the x-coordinate). Its error is [ErrUse] for all other pairs.
func (p *Pair) Agree(peer *ecdh.PublicKey) ([]byte, error) {
	if p.ec == nil {
		return nil, ErrUse
	}
	own, err := p.ec.ECDH()
	if err != nil {
		return nil, err
	}
	return own.ECDH(peer)
}

// OtherSPKI is a public key of the same shape that is not the pair's, for lies. An
// RSA one has no private key, and looks like one that has: nothing small divides it.
func (p *Pair) OtherSPKI() ([]byte, error) {
	if p.rsa != nil {
		n := new(big.Int).Xor(p.rsa.N, big.NewInt(1<<20))
		for dividedBySmall(n) {
			n.Add(n, big.NewInt(2))
		}
		return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: p.rsa.E})
	}
	other, err := GeneratePair(p.shape)
	if err != nil {
		return nil, err
	}
	return other.spki, nil
}

// dividedBySmall reports whether an odd number has a factor below 1,000.
func dividedBySmall(n *big.Int) bool {
	var rest big.Int
	for d := int64(3); d < 1000; d += 2 {
		if rest.Mod(n, big.NewInt(d)).Sign() == 0 {
			return true
		}
	}
	return false
}
