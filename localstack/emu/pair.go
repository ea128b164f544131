package emu

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Pair is a private key and its public half.
type Pair struct {
	shape   Shape
	spki    []byte
	rsa     *rsa.PrivateKey
	ec      *ecdsa.PrivateKey     // NIST curves
	koblitz *secp256k1.PrivateKey // secp256k1
	ed      ed25519.PrivateKey
}

// Shape is the pair's own; Bits is set for RSA.
func (p *Pair) Shape() Shape { return p.shape }

// SPKI is the public half as DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
func (p *Pair) SPKI() []byte { return bytes.Clone(p.spki) }

// Identity is SHA-256 over SPKI in hex: equal for equal pairs, however they were
// encoded.
func (p *Pair) Identity() string {
	sum := sha256.Sum256(p.spki)
	return hex.EncodeToString(sum[:])
}

// RSA is the private key of an RSA pair, else nil.
func (p *Pair) RSA() *rsa.PrivateKey { return p.rsa }

// EC is the private key of a pair on a NIST curve, else nil.
func (p *Pair) EC() *ecdsa.PrivateKey { return p.ec }

// GeneratePair makes a pair. RSA needs Bits, and no pair is of [Any] kind.
func GeneratePair(s Shape) (*Pair, error) {
	switch s.Kind {
	case RSA:
		key, err := rsa.GenerateKey(rand.Reader, s.Bits)
		if err != nil {
			return nil, err
		}
		return NewRSA(key)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return newEd(key)
	case Secp256k1:
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return nil, err
		}
		return newKoblitz(key.Serialize())
	case P256, P384, P521:
		key, err := ecdsa.GenerateKey(curves()[s.Kind].nist, rand.Reader)
		if err != nil {
			return nil, err
		}
		return newNIST(s.Kind, key)
	default:
		return nil, badMaterial("no pair is of %s", s)
	}
}

// NewRSA is the pair of a key with two primes.
func NewRSA(key *rsa.PrivateKey) (*Pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, badMaterial("an RSA key without a public half")
	}
	return &Pair{shape: Shape{RSA, key.N.BitLen()}, spki: spki, rsa: key}, nil
}

func newNIST(kind Kind, key *ecdsa.PrivateKey) (*Pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, badMaterial("an EC key without a public half")
	}
	return &Pair{shape: Shape{Kind: kind}, spki: spki, ec: key}, nil
}

// secp256k1SPKI precedes the 65 octets of an uncompressed point: id-ecPublicKey
// with the named curve 1.3.132.0.10 (SEC 2, RFC 5480).
var secp256k1SPKI = []byte{
	0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
}

func newKoblitz(scalar []byte) (*Pair, error) {
	var d secp256k1.ModNScalar
	if overflow := d.SetByteSlice(scalar); overflow || d.IsZero() {
		return nil, badMaterial("a scalar out of range")
	}
	key := secp256k1.NewPrivateKey(&d)
	point := key.PubKey().SerializeUncompressed()
	return &Pair{shape: Shape{Kind: Secp256k1}, spki: append(bytes.Clone(secp256k1SPKI), point...), koblitz: key}, nil
}

func newEd(key ed25519.PrivateKey) (*Pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, badMaterial("an Ed25519 key without a public half")
	}
	return &Pair{shape: Shape{Kind: Ed25519}, spki: spki, ed: key}, nil
}
