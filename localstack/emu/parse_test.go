package emu_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

type rsaPrivateKey struct {
	Version                  int
	N, E, D, P, Q, DP, DQ, I *big.Int
}

type rsaInfo struct {
	Version   int
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params asn1.RawValue `asn1:"optional"`
	}
	Key []byte
}

// Rule 12, field by field: what is inconsistent is refused.
func TestRSAKeysAreReadStrictly(t *testing.T) {
	t.Parallel()
	var info rsaInfo
	var good rsaPrivateKey
	emutest.Must(asn1.Unmarshal(emutest.RSA(t), &info))(t)
	emutest.Must(asn1.Unmarshal(info.Key, &good))(t)
	encode := func(change func(*rsaPrivateKey, *rsaInfo)) []byte {
		k, i := good, info
		change(&k, &i)
		if i.Key = append(emutest.Must(asn1.Marshal(k))(t), i.Key[len(info.Key):]...); len(i.Key) == 0 {
			t.Fatal("no key")
		}
		return emutest.Must(asn1.Marshal(i))(t)
	}
	more := func(n *big.Int) *big.Int { return new(big.Int).Add(n, big.NewInt(2)) }
	emutest.Must(emu.ParsePair(emu.Shape{Kind: emu.RSA, Bits: 2048}, encode(func(*rsaPrivateKey, *rsaInfo) {})))(t)
	for name, change := range map[string]func(*rsaPrivateKey, *rsaInfo){
		"three primes":        func(k *rsaPrivateKey, _ *rsaInfo) { k.Version = 1 },
		"modulus":             func(k *rsaPrivateKey, _ *rsaInfo) { k.N = more(k.N) },
		"private exponent":    func(k *rsaPrivateKey, _ *rsaInfo) { k.D = more(k.D) },
		"prime":               func(k *rsaPrivateKey, _ *rsaInfo) { k.P = more(k.P) },
		"first CRT exponent":  func(k *rsaPrivateKey, _ *rsaInfo) { k.DP = more(k.DP) },
		"second CRT exponent": func(k *rsaPrivateKey, _ *rsaInfo) { k.DQ = more(k.DQ) },
		"CRT coefficient":     func(k *rsaPrivateKey, _ *rsaInfo) { k.I = more(k.I) },
		"negative":            func(k *rsaPrivateKey, _ *rsaInfo) { k.I = big.NewInt(-1) },
		"long exponent":       func(k *rsaPrivateKey, _ *rsaInfo) { k.E = new(big.Int).Lsh(big.NewInt(1), 40) },
		"no parameters":       func(_ *rsaPrivateKey, i *rsaInfo) { i.Algorithm.Params = asn1.RawValue{} },
		"other parameters":    func(_ *rsaPrivateKey, i *rsaInfo) { i.Algorithm.Params = asn1.RawValue{Tag: 2, Bytes: []byte{1}} },
		"other algorithm":     func(_ *rsaPrivateKey, i *rsaInfo) { i.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 3} },
		"version 1":           func(_ *rsaPrivateKey, i *rsaInfo) { i.Version = 1 },
		"a byte in the key":   func(_ *rsaPrivateKey, i *rsaInfo) { i.Key = append(slices.Clip(i.Key), 0) },
	} {
		if _, err := emu.ParsePair(emu.Shape{Kind: emu.RSA, Bits: 2048}, encode(change)); !errors.Is(err, emu.ErrMaterial) {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestECKeysAreReadStrictly(t *testing.T) {
	t.Parallel()
	private, _ := emutest.EC(t, elliptic.P256())
	scalar := emutest.Must(private.Bytes())(t)
	point := emutest.Must(private.PublicKey.Bytes())(t)
	compressed := elliptic.MarshalCompressed(elliptic.P256(), private.X, private.Y)
	spki := emutest.Must(x509.MarshalPKIXPublicKey(&private.PublicKey))(t)
	for name, public := range map[string][]byte{"no point": nil, "a point": point, "a compressed point": compressed} {
		got, err := emu.ParsePair(emu.Shape{Kind: emu.P256}, emutest.ECDER(t, emutest.OIDP256, scalar, public))
		if err != nil || !bytes.Equal(got.SPKI(), spki) {
			t.Errorf("%s: %v", name, err)
		}
	}
	flipped := bytes.Clone(compressed)
	flipped[0] ^= 1
	order := elliptic.P256().Params().N.Bytes()
	for name, der := range map[string][]byte{
		"the other compressed point":  emutest.ECDER(t, emutest.OIDP256, scalar, flipped),
		"an empty point":              emutest.ECDER(t, emutest.OIDP256, scalar, []byte{4}),
		"scalar of the order":         emutest.ECDER(t, emutest.OIDP256, order, nil),
		"secp256k1 scalar out of it":  emutest.ECDER(t, emutest.OIDSecp256k1, bytes.Repeat([]byte{0xff}, 32), nil),
		"curve as whole parameters":   explicit(t, scalar),
		"encrypted":                   append([]byte{0x30, 0x10, 0x30, 0x0a, 0x06, 8}, make([]byte, 12)...),
		"indefinite length":           append([]byte{0x30, 0x80}, make([]byte, 40)...),
		"length not minimal":          append([]byte{0x30, 0x81, 0x10}, make([]byte, 16)...),
		"length with a leading zero":  append([]byte{0x30, 0x82, 0x00, 0x90}, make([]byte, 0x90)...),
		"length of more than is left": {0x30, 0x82, 0x10, 0x00},
		"nothing":                     {},
	} {
		shape := emu.Shape{Kind: emu.P256}
		if name == "secp256k1 scalar out of it" {
			shape.Kind = emu.Secp256k1
		}
		if _, err := emu.ParsePair(shape, der); !errors.Is(err, emu.ErrMaterial) {
			t.Errorf("%s: taken", name)
		}
	}
}

// explicit is a key whose curve is given by its parameters instead of its name.
func explicit(t *testing.T, scalar []byte) []byte {
	t.Helper()
	var info struct {
		Version   int
		Algorithm struct {
			OID    asn1.ObjectIdentifier
			Params struct{ Version, Prime *big.Int }
		}
		Key []byte
	}
	info.Algorithm.OID = emutest.OIDECKey
	info.Algorithm.Params.Version, info.Algorithm.Params.Prime = big.NewInt(1), elliptic.P256().Params().P
	info.Key = emutest.Must(asn1.Marshal(emutest.ECPrivateKey{Version: 1, Scalar: scalar}))(t)
	return emutest.Must(asn1.Marshal(info))(t)
}
