package memory

import (
	"crypto/rand"
	"encoding/asn1"

	"github.com/keyferry/keyferry/broker"
)

// makeSecp256k1 returns PKCS #8 around RFC 5915, and SubjectPublicKeyInfo: the
// standard library does not know the curve.
func makeSecp256k1() (private, public []byte, err error) {
	scalar := make([]byte, 32)
	for public == nil { // a scalar out of range: once in 2^128
		rand.Read(scalar)
		public = broker.Secp256k1PublicKey(scalar)
	}
	inner, err := asn1.Marshal(struct {
		Version int
		Scalar  []byte
	}{1, scalar})
	if err != nil {
		return nil, nil, err
	}
	type algorithm struct{ Key, Curve asn1.ObjectIdentifier }
	private, err = asn1.Marshal(struct {
		Version   int
		Algorithm algorithm
		Key       []byte
	}{0, algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}}, inner})
	return private, public, err
}
