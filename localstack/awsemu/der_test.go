package awsemu_test

import (
	"encoding/asn1"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Named curves, and the algorithm of all of them.
var (
	oidP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	oidECKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

type ecPrivateKey struct {
	Version int
	Scalar  []byte
	Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
}

type privateKeyInfo struct {
	Version   int
	Algorithm struct{ OID, Curve asn1.ObjectIdentifier }
	Key       []byte
}

// ecDER is PKCS#8 of a scalar as it is, good or bad.
func ecDER(t *testing.T, curve asn1.ObjectIdentifier, scalar, point []byte) []byte {
	t.Helper()
	inner := must(asn1.Marshal(ecPrivateKey{Version: 1, Scalar: scalar, Public: asn1.BitString{Bytes: point, BitLength: 8 * len(point)}}))(t)
	info := privateKeyInfo{Key: inner}
	info.Algorithm.OID, info.Algorithm.Curve = oidECKey, curve
	return must(asn1.Marshal(info))(t)
}

func koblitz(t *testing.T) []byte {
	t.Helper()
	key := must(secp256k1.GeneratePrivateKey())(t)
	return ecDER(t, oidSecp256k1, key.Serialize(), key.PubKey().SerializeUncompressed())
}
