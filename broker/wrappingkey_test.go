package broker_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

// checkedAt is when wrapping keys are checked.
var checkedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// modulus is of a size, odd and without small factors: all that can be seen from
// outside of a real one.
func modulus(tb testing.TB, bits int) *big.Int {
	tb.Helper()
	for {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
		must(tb, err)
		n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
		if !factored(n) {
			return n
		}
	}
}

func factored(n *big.Int) bool {
	for p := int64(3); p < 1000; p += 2 {
		if new(big.Int).Mod(n, big.NewInt(p)).Sign() == 0 {
			return true
		}
	}
	return false
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func spki(tb testing.TB, pub any) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	must(tb, err)
	return der
}

// spkiOf is DER that the library would not make: any exponent, any algorithm.
func spkiOf(tb testing.TB, algorithm asn1.ObjectIdentifier, parameters asn1.RawValue, n *big.Int, e int64) []byte {
	tb.Helper()
	inner, err := asn1.Marshal(struct {
		N *big.Int
		E int64
	}{n, e})
	must(tb, err)
	der, err := asn1.Marshal(struct {
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}{struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}{algorithm, parameters}, asn1.BitString{Bytes: inner, BitLength: len(inner) * 8}})
	must(tb, err)
	return der
}

func rsaSPKI(tb testing.TB, n *big.Int, e int64) []byte {
	tb.Helper()
	return spkiOf(tb, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue, n, e)
}

// goodKey passes every check.
func goodKey(tb testing.TB) broker.WrappingKey {
	tb.Helper()
	return broker.WrappingKey{
		PublicKey: rsaSPKI(tb, modulus(tb, 3072), 65537), Mechanism: broker.OAEPSHA256, ExpiresAt: checkedAt.Add(time.Hour), Source: "key 1",
	}
}

func plan() broker.Plan {
	return broker.Plan{Spec: broker.AES256, Mechanism: broker.OAEPSHA256, Way: broker.Direct}
}

func TestCheckWrappingKeyTakesAGoodOne(t *testing.T) {
	t.Parallel()
	for bits, strength := range map[int]int{2048: 112, 3072: 128, 4096: 150, 8192: 192} {
		n := modulus(t, bits)
		k := goodKey(t)
		k.PublicKey = rsaSPKI(t, n, 65537)
		got, err := check(t, k, broker.WrappingKeyPolicy{})
		must(t, err)
		sum := sha256.Sum256(k.PublicKey)
		if got.PublicKey().N.Cmp(n) != 0 || got.PublicKey().E != 65537 || got.Plan() != plan() ||
			got.Fingerprint() != hex.EncodeToString(sum[:]) || got.Strength() != strength {
			t.Errorf("RSA-%d: %+v, fingerprint %s, strength %d", bits, got.Plan(), got.Fingerprint(), got.Strength())
		}
		got.PublicKey().N.SetInt64(4) // who was given the key cannot exchange it
		if got.PublicKey().N.Cmp(n) != 0 {
			t.Error("a checked key was changed after its check")
		}
	}
}

func TestCheckWrappingKeyRefuses(t *testing.T) {
	t.Parallel()
	n := modulus(t, 2048)
	good := rsaSPKI(t, n, 65537)
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	pss := spkiOf(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, asn1.RawValue{}, n, 65537)
	certificate := append([]byte{0x30, 0x82, byte((len(good) + 4) >> 8), byte(len(good) + 4)}, good...)
	for name, c := range map[string]struct {
		der  []byte
		says string
	}{
		"1024 bits":              {rsaSPKI(t, modulus(t, 1024), 65537), "1024 bits"},
		"16000 bits":             {rsaSPKI(t, new(big.Int).SetBit(big.NewInt(1), 15999, 1), 65537), "at most"},
		"2047 bits":              {rsaSPKI(t, modulus(t, 2047), 65537), "2047 bits"},
		"exponent 1":             {rsaSPKI(t, n, 1), "exponent is 1,"},
		"exponent 3":             {rsaSPKI(t, n, 3), "exponent is 3,"},
		"exponent 17":            {rsaSPKI(t, n, 17), "exponent is 17,"},
		"exponent 65538":         {rsaSPKI(t, n, 65538), "65538"},
		"exponent 0":             {rsaSPKI(t, n, 0), "parse"},
		"a negative exponent":    {rsaSPKI(t, n, -65537), "parse"},
		"a huge exponent":        {rsaSPKI(t, n, 1<<40+1), "not 65537"},
		"a negative modulus":     {rsaSPKI(t, new(big.Int).Neg(n), 65537), "parse"},
		"a modulus of 0":         {rsaSPKI(t, new(big.Int), 65537), "parse"},
		"an even modulus":        {rsaSPKI(t, new(big.Int).SetBit(n, 0, 0), 65537), "small factor"},
		"a modulus with a 3":     {rsaSPKI(t, new(big.Int).Mul(modulus(t, 2100), big.NewInt(3)), 65537), "small factor"},
		"a modulus with a 997":   {rsaSPKI(t, new(big.Int).Mul(modulus(t, 2100), big.NewInt(997)), 65537), "small factor"},
		"an elliptic curve":      {spki(t, ec.Public()), "not RSA"},
		"an Edwards curve":       {spki(t, ed), "not RSA"},
		"RSA for signatures":     {pss, "parse"},
		"no parameters":          {spkiOf(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.RawValue{}, n, 65537), "parse"},
		"a PKCS #1 key":          {x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: n, E: 65537}), "parse"},
		"a byte behind it":       {append(bytes.Clone(good), 0), "parse"},
		"a byte missing":         {good[:len(good)-1], "parse"},
		"half of it":             {good[:len(good)/2], "parse"},
		"a PEM block":            {[]byte("-----BEGIN PUBLIC KEY-----\n"), "parse"},
		"one wrapped in another": {certificate, "parse"},
		"nothing":                {nil, "parse"},
	} {
		k := goodKey(t)
		k.PublicKey = c.der
		_, err := check(t, k, broker.WrappingKeyPolicy{})
		refusedKey(t, name, err, broker.Rejected, c.says)
	}
}

// check also holds that what comes with an error wraps nothing.
func check(t *testing.T, k broker.WrappingKey, policy broker.WrappingKeyPolicy) (broker.CheckedWrappingKey, error) {
	t.Helper()
	got, err := broker.CheckWrappingKey(k, plan(), policy, checkedAt)
	if err != nil && (got.Fingerprint() != "" || got.Plan() != (broker.Plan{})) {
		t.Errorf("%v: refused, and yet there is a key", err)
	}
	return got, err
}

func refusedKey(t *testing.T, name string, err error, kind broker.Kind, says string) {
	t.Helper()
	if broker.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "key 1") {
		t.Errorf("%s: %v; want %s that says %q", name, err, kind, says)
	}
}

func TestCheckWrappingKeyPolicy(t *testing.T) {
	t.Parallel()
	k := goodKey(t) // of 3072 bits
	for minBits, ok := range map[int]bool{0: true, 1: true, 2048: true, 3072: true, 3073: false, 4096: false, -1: true} {
		_, err := check(t, k, broker.WrappingKeyPolicy{MinBits: minBits})
		if ok {
			must(t, err)
			continue
		}
		refusedKey(t, "policy", err, broker.Rejected, "at least")
	}
	small := k
	small.PublicKey = rsaSPKI(t, modulus(t, 1536), 65537)
	_, err := check(t, small, broker.WrappingKeyPolicy{MinBits: 1024})
	refusedKey(t, "a policy below the floor", err, broker.Rejected, "at least 2048")
	other := k
	other.Mechanism = broker.OAEPSHA1
	_, err = check(t, other, broker.WrappingKeyPolicy{})
	refusedKey(t, "another mechanism", err, broker.Rejected, "issued for rsa-oaep-sha1, the plan is rsa-oaep-sha256")
}

func TestCheckWrappingKeyExpiry(t *testing.T) {
	t.Parallel()
	k := goodKey(t)
	for left, ok := range map[time.Duration]bool{
		-time.Hour: false, 0: false, time.Minute - 1: false, time.Minute: true, time.Hour: true,
	} {
		k.ExpiresAt = checkedAt.Add(left)
		_, err := check(t, k, broker.WrappingKeyPolicy{})
		if ok {
			must(t, err)
			continue
		}
		refusedKey(t, left.String(), err, broker.Expired, "valid until")
	}
	k.ExpiresAt = time.Time{} // has no end
	_, err := check(t, k, broker.WrappingKeyPolicy{})
	must(t, err)
}

// Whatever one bit of a good key is changed to, the key is refused, or it is
// another key under another fingerprint.
func TestCheckWrappingKeyFlipped(t *testing.T) {
	t.Parallel()
	k := goodKey(t)
	first, err := check(t, k, broker.WrappingKeyPolicy{})
	must(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		flipped := k
		flipped.PublicKey = bytes.Clone(k.PublicKey)
		at := rapid.IntRange(0, len(k.PublicKey)-1).Draw(rt, "at")
		flipped.PublicKey[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		got, err := check(t, flipped, broker.WrappingKeyPolicy{})
		if err == nil && (got.Fingerprint() == first.Fingerprint() || got.PublicKey().N.Cmp(first.PublicKey().N) == 0) {
			rt.Fatalf("a bit of byte %d was flipped and the same key came out", at)
		}
	})
}

// FuzzCheckWrappingKey holds what is taken against every rule once more.
func FuzzCheckWrappingKey(f *testing.F) {
	n := modulus(f, 2048)
	good := rsaSPKI(f, n, 65537)
	f.Add(good)
	f.Add(rsaSPKI(f, n, 3))
	f.Add(rsaSPKI(f, modulus(f, 1024), 65537))
	f.Add(append(bytes.Clone(good), 0))
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, der []byte) {
		k := broker.WrappingKey{PublicKey: der, Mechanism: broker.OAEPSHA256, Source: "key 1"}
		got, err := check(t, k, broker.WrappingKeyPolicy{})
		if err != nil {
			refusedKey(t, "fuzzed", err, broker.Rejected, "")
			return
		}
		pub := got.PublicKey()
		if pub.E != 65537 || pub.N.BitLen() < 2048 || pub.N.Bit(0) == 0 || factored(pub.N) || !bytes.Equal(spki(t, pub), der) {
			t.Errorf("taken: E %d, %d bits", pub.E, pub.N.BitLen())
		}
	})
}
