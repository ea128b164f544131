package memory

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"

	"github.com/keyferry/keyferry/broker"
)

// unwrapKWP undoes wrapKWP (RFC 5649 §4.2; the rounds are RFC 3394 §2.2.2).
func unwrapKWP(kek, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/8 - 1
	if len(wrapped)%8 != 0 || n < 2 {
		return nil, errNotKWP
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(wrapped)
	var b [aes.BlockSize]byte
	copy(b[:8], out)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			step := uint64(n*j + i) //nolint:gosec // positive
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^step)
			copy(b[8:], out[8*i:])
			block.Decrypt(b[:], b[:])
			copy(out[8*i:], b[8:])
		}
	}
	length, body := int(binary.BigEndian.Uint32(b[4:8])), out[8:]
	if binary.BigEndian.Uint32(b[:4]) != 0xA65959A6 || length > len(body) || len(body)-length > 7 {
		return nil, errNotKWP
	}
	return body[:length], nil
}

var errNotKWP = errors.New("it was not wrapped under this keeper key")

// publicOf is the public key of a PKCS #8 private key.
func publicOf(spec broker.KeySpec, private []byte) ([]byte, error) {
	if spec == broker.Secp256k1 {
		var outer struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		var inner struct {
			Version int
			Scalar  []byte
		}
		if _, err := asn1.Unmarshal(private, &outer); err != nil {
			return nil, errors.New("it is no private key")
		}
		if _, err := asn1.Unmarshal(outer.Key, &inner); err != nil {
			return nil, errors.New("it is no private key")
		}
		return broker.Secp256k1PublicKey(inner.Scalar), nil
	}
	key, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, errors.New("it is no private key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is no private key")
	}
	return x509.MarshalPKIXPublicKey(signer.Public())
}
