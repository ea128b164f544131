package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// kVectors were made by OpenSSL 3: ecparam -name secp256k1 -genkey, then
// dgst -sha256 -sign over the text.
func kVectors() []struct{ text, spki, signature string } {
	return []struct{ text, spki, signature string }{
		{
			"keyferry vector 1",
			"3056301006072a8648ce3d020106052b8104000a03420004f88c186b2c8fdb84d6aa083c06d2e38d405542d1f120844d61404986e4fe460fde3158ee8504a98405a5de0c5fa3d0b37252b3e29c8cb51313a4c325dcacb43d",
			"3046022100b4dde6dcbea67b2c080dcd1b5e481c39535af9ce461b294160984ae175327bc7022100a19fadd1d55ae608f7a303ae428fa963a16f77e758a80ce3d87ee2caa0422377",
		},
		{
			"keyferry vector 2",
			"3056301006072a8648ce3d020106052b8104000a0342000415b8c522bc644e5a52265ca782e5acf75f05e9de7c95f7b723d8b0be07475f2ad96f1ca6916bf4cb2c0f8d2fb37222b17df242bd6021b154d43282b2ee4a0d90",
			"3045022100bf59711bfb9b8555d4cc98be1c95e0dc2d70be734aed52565af011f2e94886eb0220100ed0c38f2ba235de98bb8d917a158c6d5190368054ddae59387a9bfc022953",
		},
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSecp256k1VerifiesWhatOpenSSLSigned(t *testing.T) {
	t.Parallel()
	vectors := kVectors()
	for i, v := range vectors {
		public, signature := unhex(t, v.spki), unhex(t, v.signature)
		if err := verifySignature(public, SchemeECDSA256, []byte(v.text), signature); err != nil {
			t.Errorf("%s: %v", v.text, err)
		}
		other := vectors[1-i]
		for name, err := range map[string]error{
			"another text":      verifySignature(public, SchemeECDSA256, []byte(other.text), signature),
			"another key":       verifySignature(unhex(t, other.spki), SchemeECDSA256, []byte(v.text), signature),
			"another signature": verifySignature(public, SchemeECDSA256, []byte(v.text), unhex(t, other.signature)),
			"another scheme":    verifySignature(public, SchemeECDSA384, []byte(v.text), signature),
			"no scheme":         verifySignature(public, "", []byte(v.text), signature),
			"a byte behind":     verifySignature(public, SchemeECDSA256, []byte(v.text), append(bytes.Clone(signature), 0)),
			"nothing":           verifySignature(public, SchemeECDSA256, []byte(v.text), nil),
		} {
			if err == nil {
				t.Errorf("%s: %s verifies", v.text, name)
			}
		}
		for at := range signature {
			flipped := bytes.Clone(signature)
			flipped[at] ^= 1
			if verifySignature(public, SchemeECDSA256, []byte(v.text), flipped) == nil {
				t.Errorf("%s: verifies with byte %d flipped", v.text, at)
			}
		}
	}
}

// kSignature encodes any two numbers as a signature.
func kSignature(t *testing.T, r, s *big.Int) []byte {
	t.Helper()
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Numbers outside of 1…n-1 are refused before any arithmetic (SEC 1 §4.1.4).
func TestSecp256k1RefusesNumbersOutOfRange(t *testing.T) {
	t.Parallel()
	n, one := kOrder(), big.NewInt(1)
	digest := sha256.Sum256([]byte("text"))
	for _, bad := range []*big.Int{new(big.Int), big.NewInt(-1), n, new(big.Int).Add(n, one), new(big.Int).Neg(n), new(big.Int).Lsh(n, 300)} {
		for _, sig := range [][]byte{kSignature(t, bad, one), kSignature(t, one, bad), kSignature(t, bad, bad)} {
			if kBase().verify(digest[:], sig) {
				t.Errorf("r or s = %s verifies", bad)
			}
		}
	}
	// With digest 0 and Q = -G, R = u1·G + u2·Q can be infinity: no point, no signature.
	q := kPoint{kBase().x, new(big.Int).Sub(kField(), kBase().y)}
	if q.verify(one.FillBytes(make([]byte, 32)), kSignature(t, one, one)) {
		t.Error("the point at infinity verifies")
	}
}

func TestSecp256k1ReadsOnlyPointsOnTheCurve(t *testing.T) {
	t.Parallel()
	good := unhex(t, kVectors()[0].spki)
	if _, ok := parseSecp256k1(good); !ok {
		t.Fatal("a good key is refused")
	}
	field := kField().FillBytes(make([]byte, 32))
	over := append(append(bytes.Clone(secp256k1SPKI), field...), make([]byte, 32)...)
	for name, bad := range map[string][]byte{
		"nothing": nil, "only a header": secp256k1SPKI, "a byte short": good[:len(good)-1], "a byte long": append(bytes.Clone(good), 0),
		"zeros": append(bytes.Clone(secp256k1SPKI), make([]byte, 64)...), "a coordinate as large as the field": over,
	} {
		if _, ok := parseSecp256k1(bad); ok {
			t.Errorf("%s is read as a key", name)
		}
	}
	for at := range good {
		flipped := bytes.Clone(good)
		flipped[at] ^= 1
		if _, ok := parseSecp256k1(flipped); ok {
			t.Errorf("a key with byte %d flipped is read", at)
		}
	}
}

// scalars are private keys, nonces and digests, with the ends drawn often.
func scalars() *rapid.Generator[*big.Int] {
	top := new(big.Int).Sub(kOrder(), big.NewInt(1))
	return rapid.OneOf(
		rapid.SampledFrom([]*big.Int{big.NewInt(1), big.NewInt(2), big.NewInt(3), top, new(big.Int).Sub(top, big.NewInt(1))}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) *big.Int {
			k := new(big.Int).SetBytes(b)
			return k.Mod(k, top).Add(k, big.NewInt(1))
		}),
	)
}

// kSign signs by SEC 1 §4.1.3; nil where the nonce does not serve.
func kSign(d, k *big.Int, digest []byte) (r, s *big.Int) {
	n := kOrder()
	r = new(big.Int).Mod(kBase().times(k).x, n)
	s = new(big.Int).Mul(r, d)
	s.Add(s, new(big.Int).SetBytes(digest)).Mul(s, new(big.Int).ModInverse(k, n)).Mod(s, n)
	return r, s
}

func TestSecp256k1VerifiesItsOwnSignatures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d, k := scalars().Draw(rt, "key"), scalars().Draw(rt, "nonce")
		digest := sha256.Sum256(rapid.SliceOf(rapid.Byte()).Draw(rt, "text"))
		r, s := kSign(d, k, digest[:])
		if r.Sign() == 0 || s.Sign() == 0 {
			rt.Skip("a nonce that does not serve")
		}
		q, ok := parseSecp256k1(Secp256k1PublicKey(d.Bytes()))
		if !ok || !q.verify(digest[:], kSignature(t, r, s)) {
			rt.Fatalf("key %x, nonce %x: its own signature does not verify", d, k)
		}
		digest[rapid.IntRange(0, 31).Draw(rt, "at")] ^= 1
		if q.verify(digest[:], kSignature(t, r, s)) {
			rt.Fatalf("key %x, nonce %x: another digest verifies", d, k)
		}
	})
}

// The group laws, with infinity, doubling and opposite points among the cases.
func TestSecp256k1GroupLaws(t *testing.T) {
	t.Parallel()
	if kBase().times(kOrder()).x != nil {
		t.Error("n·G is not infinity")
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := scalars().Draw(rt, "a"), scalars().Draw(rt, "b")
		left := kBase().times(a).add(kBase().times(b))
		sum := new(big.Int).Add(a, b)
		right := kBase().times(sum.Mod(sum, kOrder()))
		if (left.x == nil) != (right.x == nil) || left.x != nil && (left.x.Cmp(right.x) != 0 || left.y.Cmp(right.y) != 0 || !left.onCurve()) {
			rt.Fatalf("a·G + b·G differs from (a+b)·G for %x, %x", a, b)
		}
	})
}

func TestSecp256k1ChallengeEndToEnd(t *testing.T) {
	t.Parallel()
	d := big.NewInt(0x5eed)
	public := Secp256k1PublicKey(d.Bytes())
	now := time.Unix(0, 0)
	c, err := NewChallenge(ChallengeSubject{Level: ProofPublicKey, Purpose: Sign, Spec: Secp256k1, PublicKey: public}, now)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(c.Message())
	r, s := kSign(d, big.NewInt(77), digest[:])
	token, right := Answer{PublicKey: public}, Answer{PublicKey: public, Scheme: SchemeECDSA256, Value: kSignature(t, r, s)}
	if err := c.Compare(token, right, now); err != nil {
		t.Error(err)
	}
	right.Value = kSignature(t, s, r)
	if err := c.Compare(token, right, now); KindOf(err) != Differs {
		t.Errorf("a wrong signature: %v", err)
	}
}
