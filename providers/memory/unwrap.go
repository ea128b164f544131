package memory

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// material is what was imported.
type material struct {
	raw  []byte        // the secret, or PKCS#8
	pair crypto.Signer // nil for secrets
}

func (m material) sha256() string {
	sum := sha256.Sum256(m.raw)
	return hex.EncodeToString(sum[:])
}

// unwrap takes wrapped material apart and refuses what is not of the spec.
func unwrap(w *wrapping, spec broker.KeySpec, wrapped []byte) (material, error) {
	raw, err := open(w, wrapped)
	if err != nil {
		return material{}, err
	}
	if spec.Secret() {
		if len(raw)*8 != spec.Bits() {
			return material{}, fmt.Errorf("the material has %d bytes, not those of %s", len(raw), spec)
		}
		return material{raw: raw}, nil
	}
	pair, err := parsePair(raw, spec)
	return material{raw: raw, pair: pair}, err
}

func open(w *wrapping, wrapped []byte) ([]byte, error) {
	hash := crypto.SHA256
	if w.mechanism.SHA1() {
		hash = crypto.SHA1
	}
	options := &rsa.OAEPOptions{Hash: hash}
	if w.mechanism.Direct() {
		return w.key.Decrypt(nil, wrapped, options)
	}
	size := w.key.Size()
	if len(wrapped) <= size {
		return nil, errors.New("the wrapped material is too short")
	}
	kek, err := w.key.Decrypt(nil, wrapped[:size], options)
	if err != nil {
		return nil, fmt.Errorf("decrypt ephemeral key: %w", err)
	}
	if len(kek) != 32 {
		return nil, fmt.Errorf("the ephemeral key has %d bytes, not 32", len(kek))
	}
	return kwpOpen(kek, wrapped[size:])
}

// parsePair reads PKCS#8 (RFC 5208) to the last byte.
func parsePair(raw []byte, spec broker.KeySpec) (crypto.Signer, error) {
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &whole); err == nil && len(rest) > 0 {
		return nil, fmt.Errorf("parse PKCS#8: %d bytes follow it", len(rest))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("parse PKCS#8: %w", err)
	}
	if specOf(parsed) != spec {
		return nil, fmt.Errorf("the material is %T of another spec than %s", parsed, spec)
	}
	pair, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the material is %T", parsed)
	}
	return pair, nil
}

func specOf(key any) broker.KeySpec {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return broker.KeySpec(fmt.Sprintf("rsa-%d", k.N.BitLen()))
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256():
			return broker.ECP256
		case elliptic.P384():
			return broker.ECP384
		case elliptic.P521():
			return broker.ECP521
		}
	case ed25519.PrivateKey:
		return broker.Ed25519
	}
	return ""
}

// errKWP is all that a failed integrity check tells.
var errKWP = errors.New("AES-KWP integrity check failed")

// kwpOpen is AES key unwrap with padding (RFC 5649 §4.2).
func kwpOpen(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("open AES-KWP: %w", err)
	}
	if len(wrapped) < 16 || len(wrapped)%8 != 0 {
		return nil, errKWP
	}
	out := bytes.Clone(wrapped)
	if len(out) == 16 {
		block.Decrypt(out, out)
	} else {
		kwOpen(block.Decrypt, out)
	}
	length := int(binary.BigEndian.Uint32(out[4:8]))
	padded := out[8:]
	if !bytes.Equal(out[:4], []byte{0xa6, 0x59, 0x59, 0xa6}) || length > len(padded) || length <= len(padded)-8 {
		return nil, errKWP
	}
	if !bytes.Equal(padded[length:], make([]byte, len(padded)-length)) {
		return nil, errKWP
	}
	return padded[:length], nil
}

// kwOpen is the inverse of W (RFC 3394 §2.2.2), in place.
func kwOpen(decrypt func(dst, src []byte), out []byte) {
	n := len(out)/8 - 1
	var buf [16]byte
	for t := 6 * n; t > 0; t-- {
		r := out[8*((t-1)%n+1):][:8]
		copy(buf[:8], out[:8])
		binary.BigEndian.PutUint64(buf[:8], binary.BigEndian.Uint64(buf[:8])^uint64(t))
		copy(buf[8:], r)
		decrypt(buf[:], buf[:])
		copy(out[:8], buf[:8])
		copy(r, buf[8:])
	}
}
