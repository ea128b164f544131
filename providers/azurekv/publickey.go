package azurekv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

var errNoKey = errors.New("its public key cannot be read")

// publicKey of a version, DER SubjectPublicKeyInfo; nil for a secret.
func publicKey(k *azkeys.JSONWebKey) ([]byte, error) {
	if k == nil || k.Kty == nil {
		return nil, errNoKey
	}
	switch *k.Kty {
	case azkeys.KeyTypeRSA, azkeys.KeyTypeRSAHSM:
		return rsaKey(k)
	case azkeys.KeyTypeEC, azkeys.KeyTypeECHSM:
		return ecKey(k)
	default:
		return nil, nil
	}
}

// ecKey is a JSON Web Key's point (RFC 7518 §6.2): coordinates as long as the field.
func ecKey(k *azkeys.JSONWebKey) ([]byte, error) {
	if k.Crv == nil {
		return nil, errNoKey
	}
	curve := map[azkeys.CurveName]elliptic.Curve{
		azkeys.CurveNameP256: elliptic.P256(), azkeys.CurveNameP384: elliptic.P384(), azkeys.CurveNameP521: elliptic.P521(),
	}[*k.Crv]
	if curve == nil {
		return nil, errNoKey
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(k.X) > size || len(k.Y) > size {
		return nil, errNoKey
	}
	point := make([]byte, 1+2*size)
	point[0] = 4
	copy(point[1+size-len(k.X):], k.X)
	copy(point[1+2*size-len(k.Y):], k.Y)
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
}

// bitsOf is the size of an RSA key, or of a secret as its tag has it: a vault does not
// show that of an oct key.
func bitsOf(k *azkeys.JSONWebKey, tags map[string]string) func() int {
	return func() int {
		if len(k.N) > 0 {
			return len(k.N) * 8
		}
		return broker.KeySpec(tags[tagSpec]).Bits()
	}
}
