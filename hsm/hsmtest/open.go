package hsmtest

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/keyferry/keyferry/broker"
)

// open is what a provider does with wrapped material. It shares no code with the
// tokens it judges.
func open(host *rsa.PrivateKey, m broker.Mechanism, wrapped []byte) ([]byte, error) {
	hash := crypto.SHA256
	if m.SHA1() {
		hash = crypto.SHA1
	}
	size := host.Size()
	if len(wrapped) < size {
		return nil, fmt.Errorf("open: %d bytes are too few", len(wrapped))
	}
	inner, err := host.Decrypt(nil, wrapped[:size], &rsa.OAEPOptions{Hash: hash})
	if err != nil {
		return nil, fmt.Errorf("open with %s: %w", m, err)
	}
	if m.Direct() {
		if len(wrapped) != size {
			return nil, fmt.Errorf("open: %d bytes follow", len(wrapped)-size)
		}
		return inner, nil
	}
	if len(inner) != 32 {
		return nil, fmt.Errorf("open: the ephemeral key has %d bytes", len(inner))
	}
	return unwrapKWP(inner, wrapped[size:])
}

// unwrapKWP follows RFC 5649 §4.2 over the index-based rounds of RFC 3394 §2.2.2.
func unwrapKWP(kek, wrapped []byte) ([]byte, error) {
	if len(wrapped)%8 != 0 || len(wrapped) < 24 {
		return nil, fmt.Errorf("unwrap: %d bytes", len(wrapped))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	a := binary.BigEndian.Uint64(wrapped)
	var r [][8]byte
	for rest := wrapped[8:]; len(rest) > 0; rest = rest[8:] {
		r = append(r, [8]byte(rest))
	}
	for t := uint64(6 * len(r)); t > 0; t-- {
		i := (t - 1) % uint64(len(r))
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], a^t)
		copy(b[8:], r[i][:])
		block.Decrypt(b[:], b[:])
		a, r[i] = binary.BigEndian.Uint64(b[:]), [8]byte(b[8:])
	}
	out := make([]byte, 0, 8*len(r))
	for _, part := range r {
		out = append(out, part[:]...)
	}
	length := int(a & 0xFFFFFFFF)
	if a>>32 != 0xA65959A6 || length > len(out) || len(out)-length > 7 || len(bytes.Trim(out[length:], "\x00")) > 0 {
		return nil, errors.New("unwrap: integrity check failed")
	}
	return out[:length], nil
}

// privateKey is an opened PKCS #8 private key.
type privateKey struct {
	signer   crypto.Signer // nil for secp256k1
	public   []byte        // DER SubjectPublicKeyInfo
	trailing int           // bytes that follow the DER
	scalar   int           // length of an EC scalar as encoded; 0 for others
}

func parsePrivate(spec broker.KeySpec, der []byte) (privateKey, error) {
	var whole asn1.RawValue
	rest, err := asn1.Unmarshal(der, &whole)
	if err != nil {
		return privateKey{}, fmt.Errorf("parse private key: %w", err)
	}
	key := privateKey{trailing: len(rest)}
	scalar, err := ecScalar(spec, whole.FullBytes)
	if err != nil {
		return privateKey{}, err
	}
	key.scalar = len(scalar)
	if spec == broker.Secp256k1 {
		key.public, err = secp256k1SPKI(scalar)
		return key, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(whole.FullBytes)
	if err != nil {
		return privateKey{}, fmt.Errorf("parse private key: %w", err)
	}
	key.signer = parsed.(crypto.Signer)
	key.public, err = x509.MarshalPKIXPublicKey(key.signer.Public())
	return key, err
}

// ecScalar as encoded; nil for what is no EC key.
func ecScalar(spec broker.KeySpec, der []byte) ([]byte, error) {
	if spec.Class() != broker.ClassEC {
		return nil, nil
	}
	var outer struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
		Rest      asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, fmt.Errorf("parse PKCS #8: %w", err)
	}
	var inner struct {
		Version int
		Scalar  []byte
		Curve   asn1.RawValue `asn1:"optional"`
		Public  asn1.RawValue `asn1:"optional"`
	}
	_, err := asn1.Unmarshal(outer.Key, &inner)
	return inner.Scalar, err
}

// secp256k1SPKI computes the public key with a library of its own.
func secp256k1SPKI(scalar []byte) ([]byte, error) {
	point := secp256k1.PrivKeyFromBytes(scalar).PubKey().SerializeUncompressed()
	type algorithm struct{ Key, Curve asn1.ObjectIdentifier }
	return asn1.Marshal(struct {
		Algorithm algorithm
		Point     asn1.BitString
	}{
		algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}},
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
}

// fieldSize is the length of an EC scalar in bytes (RFC 5915 §3).
func fieldSize(spec broker.KeySpec) int { return (spec.Bits() + 7) / 8 }
