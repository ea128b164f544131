package azureemu

import (
	"encoding/asn1"
	"encoding/base64"
	"math/big"

	"github.com/keyferry/keyferry/localstack/emu"
)

// badKey are Key Vault's words for a JSON Web Key that is none.
func badKey(kty string) error {
	return refuse(codeBadParameter, "%s key is not valid - cannot instantiate crypto service", kty)
}

// privateKeyInfo is RFC 5208's.
type privateKeyInfo struct {
	Version   int
	Algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue
	}
	Key []byte
}

// pkcs8 puts the key's values into PKCS#8, whose parser holds them against each
// other.
func (in *jwkIn) pkcs8() ([]byte, error) {
	kty := baseType(in.Kty)
	var inner []byte
	var info privateKeyInfo
	var err error
	if kty == ktyEC {
		info.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
		if info.Algorithm.Parameters.FullBytes, err = asn1.Marshal(curveOIDs()[in.Crv]); err == nil {
			inner, err = in.ecPrivateKey()
		}
	} else {
		info.Algorithm.OID, info.Algorithm.Parameters = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue
		inner, err = in.rsaPrivateKey()
	}
	if err != nil {
		return nil, badKey(kty)
	}
	info.Key = inner
	return asn1.Marshal(info)
}

func curveOIDs() map[string]asn1.ObjectIdentifier {
	return map[string]asn1.ObjectIdentifier{
		"P-256": {1, 2, 840, 10045, 3, 1, 7}, "P-384": {1, 3, 132, 0, 34}, "P-521": {1, 3, 132, 0, 35}, "P-256K": {1, 3, 132, 0, 10},
	}
}

// rsaPrivateKey is RFC 8017 A.1.2.
func (in *jwkIn) rsaPrivateKey() ([]byte, error) {
	key := struct {
		Version                     int
		N, E, D, P, Q, DP, DQ, QInv *big.Int
	}{}
	for _, f := range []struct {
		to   **big.Int
		text string
	}{{&key.N, in.N}, {&key.E, in.E}, {&key.D, in.D}, {&key.P, in.P}, {&key.Q, in.Q}, {&key.DP, in.DP}, {&key.DQ, in.DQ}, {&key.QInv, in.QI}} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(f.text)
		if err != nil || len(b) == 0 {
			return nil, emu.ErrMaterial
		}
		*f.to = new(big.Int).SetBytes(b)
	}
	return asn1.Marshal(key)
}

// ecPrivateKey is RFC 5915 with the public point.
func (in *jwkIn) ecPrivateKey() ([]byte, error) {
	size := fieldSize(in.Crv)
	part := make([][]byte, 3)
	for i, text := range []string{in.D, in.X, in.Y} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(b) == 0 || len(b) > size {
			return nil, emu.ErrMaterial
		}
		part[i] = append(make([]byte, size-len(b)), b...)
	}
	point := append(append([]byte{4}, part[1]...), part[2]...)
	return asn1.Marshal(struct {
		Version int
		Scalar  []byte
		Public  asn1.BitString `asn1:"explicit,tag:1"`
	}{1, part[0], asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
}
