package memory

import (
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// The standard library has no secp256k1. Affine arithmetic of SEC 1 §2.2.1 with
// the parameters of SEC 2 §2.4.1 does for a token that guards nothing.

// curve256 holds the parameters; a = 0.
type curve256 struct{ p, n, gx, gy *big.Int }

func secp256k1() curve256 {
	hex := func(s string) *big.Int {
		n, _ := new(big.Int).SetString(s, 16)
		return n
	}
	return curve256{
		p:  hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
		n:  hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
		gx: hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
		gy: hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
	}
}

// add two points that are not each other's inverse; a nil x is infinity.
func (c curve256) add(x1, y1, x2, y2 *big.Int) (x, y *big.Int) {
	if x1 == nil {
		return x2, y2
	}
	if x2 == nil {
		return x1, y1
	}
	rise, run := new(big.Int).Sub(y2, y1), new(big.Int).Sub(x2, x1)
	if x1.Cmp(x2) == 0 {
		rise.Mul(x1, x1).Mul(rise, big.NewInt(3))
		run.Lsh(y1, 1)
	}
	slope := rise.Mul(rise, run.ModInverse(run.Mod(run, c.p), c.p))
	x = new(big.Int).Mul(slope, slope)
	x.Sub(x, x1).Sub(x, x2).Mod(x, c.p)
	y = new(big.Int).Sub(x1, x)
	return x, y.Mul(y, slope).Sub(y, y1).Mod(y, c.p)
}

func (c curve256) base(k *big.Int) (x, y *big.Int) {
	for i := k.BitLen() - 1; i >= 0; i-- {
		if x != nil {
			x, y = c.add(x, y, x, y)
		}
		if k.Bit(i) == 1 {
			x, y = c.add(x, y, c.gx, c.gy)
		}
	}
	return x, y
}

type algorithm struct{ Key, Curve asn1.ObjectIdentifier }

func secp256k1Algorithm() algorithm {
	return algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}}
}

// makeSecp256k1 returns PKCS #8 around RFC 5915, and SubjectPublicKeyInfo.
func makeSecp256k1() (private, public []byte, err error) {
	c := secp256k1()
	k, err := rand.Int(rand.Reader, new(big.Int).Sub(c.n, big.NewInt(1)))
	if err != nil {
		return nil, nil, fmt.Errorf("choose a scalar: %w", err)
	}
	k.Add(k, big.NewInt(1))
	x, y := c.base(k)
	point := append([]byte{4}, append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)...)
	public, err = asn1.Marshal(struct {
		Algorithm algorithm
		Point     asn1.BitString
	}{secp256k1Algorithm(), asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		return nil, nil, err
	}
	inner, err := asn1.Marshal(struct {
		Version int
		Scalar  []byte
		Public  asn1.BitString `asn1:"explicit,tag:1"`
	}{1, k.FillBytes(make([]byte, 32)), asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		return nil, nil, err
	}
	private, err = asn1.Marshal(struct {
		Version   int
		Algorithm algorithm
		Key       []byte
	}{0, secp256k1Algorithm(), inner})
	return private, public, err
}
