package broker

import (
	"bytes"
	"encoding/asn1"
	"math/big"
)

// The standard library has no secp256k1 and this package imports nothing else,
// so verification (public data only, no secrets, no timing to guard) is here:
// affine arithmetic straight from SEC 1 §2.2.1 and §4.1.4, parameters of SEC 2
// §2.4.1.

// secp256k1SPKI is all of a DER SubjectPublicKeyInfo before the 64 point bytes:
// id-ecPublicKey, OID 1.3.132.0.10, uncompressed.
var secp256k1SPKI = []byte{
	0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00, 0x04,
}

// kPoint is an affine point; nil coordinates are infinity.
type kPoint struct{ x, y *big.Int }

func kHex(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 16)
	return n
}

func kField() *big.Int {
	return kHex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
}

func kOrder() *big.Int {
	return kHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
}

func kBase() kPoint {
	return kPoint{
		kHex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
		kHex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
	}
}

// parseSecp256k1 reads a public key that lies on the curve.
func parseSecp256k1(spki []byte) (kPoint, bool) {
	point, ok := bytes.CutPrefix(spki, secp256k1SPKI)
	if !ok || len(point) != 64 {
		return kPoint{}, false
	}
	p := kPoint{new(big.Int).SetBytes(point[:32]), new(big.Int).SetBytes(point[32:])}
	return p, p.onCurve()
}

// onCurve: y² = x³ + 7 over the field, both coordinates reduced.
func (p kPoint) onCurve() bool {
	f := kField()
	if p.x.Cmp(f) >= 0 || p.y.Cmp(f) >= 0 {
		return false
	}
	left := new(big.Int).Mul(p.y, p.y)
	right := new(big.Int).Exp(p.x, big.NewInt(3), f)
	right.Add(right, big.NewInt(7))
	return left.Sub(left, right).Mod(left, f).Sign() == 0
}

func (p kPoint) add(q kPoint) kPoint {
	if p.x == nil {
		return q
	}
	if q.x == nil {
		return p
	}
	f := kField()
	var slope *big.Int
	if p.x.Cmp(q.x) == 0 {
		if new(big.Int).Mod(new(big.Int).Add(p.y, q.y), f).Sign() == 0 {
			return kPoint{}
		}
		slope = new(big.Int).Mul(big.NewInt(3), new(big.Int).Mul(p.x, p.x))
		slope.Mul(slope, new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), f))
	} else {
		run := new(big.Int).Sub(q.x, p.x)
		slope = new(big.Int).Sub(q.y, p.y)
		slope.Mul(slope, new(big.Int).ModInverse(run.Mod(run, f), f))
	}
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, f)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, f)
	return kPoint{x, y}
}

func (p kPoint) times(k *big.Int) kPoint {
	var sum kPoint
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if k.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

// verify checks a DER ECDSA signature over a digest (SEC 1 §4.1.4).
func (p kPoint) verify(digest, signature []byte) bool {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &sig); err != nil || len(rest) > 0 {
		return false
	}
	n := kOrder()
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.Cmp(n) >= 0 || sig.S.Cmp(n) >= 0 {
		return false
	}
	w := new(big.Int).ModInverse(sig.S, n)
	u1 := new(big.Int).Mul(new(big.Int).SetBytes(digest), w)
	u2 := new(big.Int).Mul(sig.R, w)
	sum := kBase().times(u1.Mod(u1, n)).add(p.times(u2.Mod(u2, n)))
	return sum.x != nil && new(big.Int).Mod(sum.x, n).Cmp(sig.R) == 0
}

// Secp256k1PublicKey is the DER SubjectPublicKeyInfo of a private scalar; nil for
// one that is out of range. Its time depends on the scalar: it is for throwaway
// keys, those of a probe and of tests.
func Secp256k1PublicKey(scalar []byte) []byte {
	k := new(big.Int).SetBytes(scalar)
	if k.Sign() == 0 || k.Cmp(kOrder()) >= 0 {
		return nil
	}
	p := kBase().times(k)
	return append(append(bytes.Clone(secp256k1SPKI), p.x.FillBytes(make([]byte, 32))...), p.y.FillBytes(make([]byte, 32))...)
}
