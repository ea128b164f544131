package azurekv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

var errNoKey = errors.New("its public key cannot be read")

// publicKey of a version, DER SubjectPublicKeyInfo.
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
		return nil, errNoKey
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

// maxModulus bounds what a modulus that somebody else sent can cost, in bytes.
const maxModulus = 1024

// rsaKey is a JSON Web Key's public key (RFC 7518 §6.3), DER SubjectPublicKeyInfo.
func rsaKey(k *azkeys.JSONWebKey) ([]byte, error) {
	e := new(big.Int).SetBytes(k.E)
	if len(k.N) == 0 || len(k.N) > maxModulus || len(k.E) == 0 || !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, errNoKey
	}
	return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(k.N), E: int(e.Int64())})
}
