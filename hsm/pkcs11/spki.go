package pkcs11

import (
	"context"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// publicKey reads a public object as DER SubjectPublicKeyInfo (RFC 5280
// §4.1.2.7), in the form the broker compares.
func (s *session) publicKey(ctx context.Context, h handle, spec broker.KeySpec) ([]byte, error) {
	if spec.Class() == broker.ClassRSA {
		got, err := s.read(ctx, h, p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT)
		if err != nil {
			return nil, err
		}
		return rsaSPKI(got[p11.CKA_MODULUS], got[p11.CKA_PUBLIC_EXPONENT])
	}
	got, err := s.read(ctx, h, p11.CKA_EC_POINT)
	if err != nil {
		return nil, err
	}
	return curveSPKI(spec, got[p11.CKA_EC_POINT])
}

// subjectPublicKeyInfo as encoded.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

func rsaSPKI(modulus, exponent []byte) ([]byte, error) {
	key, err := asn1.Marshal(struct {
		N *big.Int
		E *big.Int
	}{new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)})
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return spki(pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}, key)
}

// curveSPKI takes a CKA_EC_POINT: a DER OCTET STRING with the point in it, or as
// some tokens have it the bare point.
func curveSPKI(spec broker.KeySpec, point []byte) ([]byte, error) {
	size := (spec.Bits() + 7) / 8
	want := 1 + 2*size
	if spec == broker.Ed25519 {
		want = size
	}
	var inner []byte
	if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 && len(inner) == want {
		point = inner
	}
	if len(point) != want {
		return nil, fmt.Errorf("read public key: a point of %s has %d bytes, the token gave %d", spec, want, len(point))
	}
	if spec == broker.Ed25519 {
		return spki(pkix.AlgorithmIdentifier{Algorithm: curveOID(spec)}, point)
	}
	curve, err := asn1.Marshal(curveOID(spec))
	if err != nil {
		return nil, fmt.Errorf("encode curve: %w", err)
	}
	return spki(pkix.AlgorithmIdentifier{
		Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, Parameters: asn1.RawValue{FullBytes: curve},
	}, point)
}

// spki is checked by parsing it again: a point that is not on its curve is no
// public key.
func spki(algorithm pkix.AlgorithmIdentifier, key []byte) ([]byte, error) {
	der, err := asn1.Marshal(subjectPublicKeyInfo{algorithm, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	der, err = broker.CanonicalSPKI(der)
	if err != nil {
		return nil, errors.Join(errors.New("the token gave a public key that is none"), err)
	}
	return der, nil
}
