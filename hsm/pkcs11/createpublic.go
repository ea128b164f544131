package pkcs11

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// createPublic stores the public half of a pair whose private half was unwrapped: a
// wrap has none.
func (s *session) createPublic(ctx context.Context, in broker.OpenIn) (handle, error) {
	t, err := publicTemplate(in.GenerateIn)
	if err != nil {
		return 0, err
	}
	keyType, values, err := publicValues(in)
	if err != nil {
		return 0, fmt.Errorf("take the public key from its record: %w", err)
	}
	t = append(without(without(t, p11.CKA_MODULUS_BITS), p11.CKA_PUBLIC_EXPONENT),
		attribute(p11.CKA_CLASS, uint(p11.CKO_PUBLIC_KEY)), attribute(p11.CKA_KEY_TYPE, keyType))
	return s.create(ctx, append(t, values...))
}

func publicValues(in broker.OpenIn) (keyType uint, values template, err error) {
	if in.Spec.Class() == broker.ClassRSA {
		key, err := x509.ParsePKIXPublicKey(in.PublicKey)
		if err != nil {
			return 0, nil, err
		}
		public, ok := key.(*rsa.PublicKey)
		if !ok {
			return 0, nil, fmt.Errorf("it is %T", key)
		}
		return p11.CKK_RSA, template{
			attribute(p11.CKA_MODULUS, public.N.Bytes()), attribute(p11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(public.E)).Bytes()),
		}, nil
	}
	var info subjectPublicKeyInfo
	if _, err := asn1.Unmarshal(in.PublicKey, &info); err != nil {
		return 0, nil, err
	}
	point, err := asn1.Marshal(info.PublicKey.Bytes)
	keyType = p11.CKK_EC
	if in.Spec.Class() == broker.ClassEdwards {
		keyType = ckkEdwards
	}
	return keyType, template{attribute(p11.CKA_EC_POINT, point)}, err
}
