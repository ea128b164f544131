package emutest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Object identifiers of curves, and of the algorithm of all of them.
var (
	OIDP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	OIDSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	OIDECKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

// ECPrivateKey is RFC 5915's, without parameters.
type ECPrivateKey struct {
	Version int
	Scalar  []byte
	Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
}

// PrivateKeyInfo is RFC 5208's for a named curve.
type PrivateKeyInfo struct {
	Version   int
	Algorithm struct{ OID, Curve asn1.ObjectIdentifier }
	Key       []byte
}

// ECDER is PKCS#8 of a scalar as it is, good or bad.
func ECDER(tb testing.TB, curve asn1.ObjectIdentifier, scalar, point []byte) []byte {
	tb.Helper()
	inner := Must(asn1.Marshal(ECPrivateKey{Version: 1, Scalar: scalar, Public: asn1.BitString{Bytes: point, BitLength: 8 * len(point)}}))(tb)
	info := PrivateKeyInfo{Key: inner}
	info.Algorithm.OID, info.Algorithm.Curve = OIDECKey, curve
	return Must(asn1.Marshal(info))(tb)
}

// Koblitz is a new PKCS#8 key on secp256k1.
func Koblitz(tb testing.TB) []byte {
	tb.Helper()
	key := Must(secp256k1.GeneratePrivateKey())(tb)
	return ECDER(tb, OIDSecp256k1, key.Serialize(), key.PubKey().SerializeUncompressed())
}

// EC is a new key on a NIST curve, and its PKCS#8.
func EC(tb testing.TB, c elliptic.Curve) (*ecdsa.PrivateKey, []byte) {
	tb.Helper()
	key := Must(ecdsa.GenerateKey(c, rand.Reader))(tb)
	return key, Must(x509.MarshalPKCS8PrivateKey(key))(tb)
}

// RSA is a new PKCS#8 RSA key of 2048 bits.
func RSA(tb testing.TB) []byte {
	tb.Helper()
	return Must(x509.MarshalPKCS8PrivateKey(Must(rsa.GenerateKey(rand.Reader, 2048))(tb)))(tb)
}

// SPKI is the public half of a private key of the standard library.
func SPKI(tb testing.TB, private any) []byte {
	tb.Helper()
	signer, ok := private.(crypto.Signer)
	if !ok {
		tb.Fatalf("%T has no public half", private)
	}
	return Must(x509.MarshalPKIXPublicKey(signer.Public()))(tb)
}
