package pkcs11

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// The flaws of a plan that works: what arrives is the right key, but not in the
// form the formats ask for.
const (
	flawPadded = "zero bytes follow the key, up to a multiple of eight: a strict reader refuses that"
	flawShort  = "leading zeros of the private scalar are dropped (RFC 5915 wants its full length): one key in 256, with P-521 every second one, is refused by a strict reader"
)

// throwaway is a session key of the probe's own, with what the token computed
// with it.
type throwaway struct {
	spec            broker.KeySpec
	private, public handle
	message         []byte
	answer          broker.Answer // secrets: by the same call that answers challenges
	spki            []byte        // pairs: the public key, as the token has it
}

// throwaway makes one.
func (p prober) throwaway(ctx context.Context, spec broker.KeySpec) (key throwaway, err error) {
	in := probeKey(spec)
	key = throwaway{spec: spec, message: make([]byte, 114)}
	rand.Read(key.message)
	if key.private, key.public, err = p.s.make(ctx, in); err != nil {
		return key, err
	}
	if err = p.operate(ctx, &key); err != nil {
		return key, errors.Join(err, p.s.discard(ctx, key.private, key.public))
	}
	return key, nil
}

// operate has the token itself compute something that only the right material
// can reproduce: a MAC, a ciphertext, or for pairs the public key.
func (p prober) operate(ctx context.Context, key *throwaway) (err error) {
	switch key.spec.Class() {
	case broker.ClassAES:
		key.answer, err = p.s.seal(ctx, key.private, key.message)
	case broker.ClassHMAC:
		key.answer.Value, err = p.s.sign(ctx, hmacMechanism(key.spec), key.private, key.message)
	default:
		key.spki, err = p.s.publicKey(ctx, key.public, key.spec)
	}
	return err
}

// compare holds what was unwrapped against what the token computed. flaw is set
// where it is the right key in a form that strict readers refuse.
func (k throwaway) compare(material []byte) (flaw string, err error) {
	if !k.spec.Secret() {
		return k.comparePair(material)
	}
	size := k.spec.Bits() / 8
	if len(material) > size && len(bytes.Trim(material[size:], "\x00")) == 0 {
		material, flaw = material[:size], flawPadded
	}
	if len(material) != size {
		return "", fmt.Errorf("the key has %d bytes, %d are due", len(material), size)
	}
	if k.spec.Class() == broker.ClassHMAC {
		mac := hmac.New(k.spec.HMACHash(), material)
		mac.Write(k.message)
		return flaw, same(mac.Sum(nil), k.answer.Value)
	}
	message, err := k.decrypt(material)
	if err != nil {
		return "", err
	}
	return flaw, same(message, k.message)
}

func same(got, want []byte) error {
	if len(want) == 0 || !bytes.Equal(got, want) {
		return errors.New("it is not the key that the token computes with")
	}
	return nil
}

func (k throwaway) decrypt(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("take it as an AES key: %w", err)
	}
	value := k.answer.Value
	if k.answer.Scheme == broker.SchemeGCM {
		gcm, err := cipher.NewGCM(block)
		if err != nil || len(value) < gcmNonce {
			return nil, errors.Join(err, errors.New("no ciphertext"))
		}
		return gcm.Open(nil, value[:gcmNonce], value[gcmNonce:], nil)
	}
	if len(value) < 2*cbcIV || len(value)%cbcIV != 0 {
		return nil, errors.New("no ciphertext")
	}
	plain := make([]byte, len(value)-cbcIV)
	cipher.NewCBCDecrypter(block, value[:cbcIV]).CryptBlocks(plain, value[cbcIV:])
	padding := int(plain[len(plain)-1])
	return plain[:max(0, len(plain)-padding)], nil
}

// comparePair: the private key that has the token's public key is the token's
// private key.
func (k throwaway) comparePair(material []byte) (flaw string, err error) {
	var outer pkcs8
	rest, err := asn1.Unmarshal(material, &outer)
	if err != nil {
		return "", fmt.Errorf("it is no PKCS #8 private key: %w", err)
	}
	if len(bytes.Trim(rest, "\x00")) > 0 {
		return "", fmt.Errorf("%d bytes follow the private key", len(rest))
	}
	spki, scalar, err := publicOf(k.spec, outer, material[:len(material)-len(rest)])
	if err != nil {
		return "", err
	}
	switch {
	case !bytes.Equal(spki, k.spki):
		return "", errors.New("it is not the private key of the token's public key")
	case k.spec.Class() == broker.ClassEC && len(scalar) != (k.spec.Bits()+7)/8:
		return flawShort, nil
	case len(rest) > 0:
		return flawPadded, nil
	default:
		return "", nil
	}
}

// pkcs8 is PrivateKeyInfo (RFC 5208 §5); attributes are left alone.
type pkcs8 struct {
	Version    int
	Algorithm  asn1.RawValue
	PrivateKey []byte
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
}

// publicOf derives the public key, and reads an EC scalar as it is encoded.
func publicOf(spec broker.KeySpec, outer pkcs8, der []byte) (spki, scalar []byte, err error) {
	if spec.Class() == broker.ClassEC {
		var inner struct {
			Version int
			Scalar  []byte
			Rest    asn1.RawValue `asn1:"optional"`
			More    asn1.RawValue `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(outer.PrivateKey, &inner); err != nil {
			return nil, nil, fmt.Errorf("it is no EC private key (RFC 5915): %w", err)
		}
		scalar = inner.Scalar
	}
	if spec == broker.Secp256k1 {
		return broker.Secp256k1PublicKey(scalar), scalar, nil
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, fmt.Errorf("it is no PKCS #8 private key: %w", err)
	}
	var public any
	switch key := private.(type) {
	case *rsa.PrivateKey:
		public = &key.PublicKey
	case *ecdsa.PrivateKey:
		public = &key.PublicKey
	case ed25519.PrivateKey:
		public = key.Public()
	}
	spki, err = x509.MarshalPKIXPublicKey(public)
	return spki, scalar, err
}
