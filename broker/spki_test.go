package broker_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func TestCanonicalSPKI(t *testing.T) {
	t.Parallel()
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	good := map[string][]byte{
		"rsa": rsaSPKI(t, modulus(t, 2048), 65537), "ed25519": spki(t, ed), "secp256k1": broker.Secp256k1PublicKey([]byte{7}),
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		good[curve.Params().Name] = spki(t, key.Public())
	}
	for name, der := range good {
		got, err := broker.CanonicalSPKI(der)
		if err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: %x, %v; want it as it is", name, got, err)
		}
		for what, bad := range map[string][]byte{
			"a byte behind": append(bytes.Clone(der), 0), "a byte missing": der[:len(der)-1], "half": der[:len(der)/2],
		} {
			if got, err := broker.CanonicalSPKI(bad); broker.KindOf(err) != broker.Rejected || err == nil || got != nil {
				t.Errorf("%s, %s: %x, %v; want rejected", name, what, got, err)
			}
		}
	}
}

func TestCanonicalSPKIRefuses(t *testing.T) {
	t.Parallel()
	off := broker.Secp256k1PublicKey([]byte{7})
	off[len(off)-1] ^= 1
	for name, der := range map[string][]byte{
		"nothing": nil, "some text": []byte("-----BEGIN PUBLIC KEY-----"), "a point off its curve": off,
		"RSA without NULL": spkiOf(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.RawValue{}, modulus(t, 1024), 65537),
	} {
		if _, err := broker.CanonicalSPKI(der); broker.KindOf(err) != broker.Rejected || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzCanonicalSPKI holds that the form is one form, of the same key.
func FuzzCanonicalSPKI(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(f, err)
	f.Add(spki(f, key.Public()))
	f.Add(rsaSPKI(f, modulus(f, 1024), 65537))
	f.Add(broker.Secp256k1PublicKey([]byte{9}))
	f.Fuzz(func(t *testing.T, der []byte) {
		once, err := broker.CanonicalSPKI(der)
		if err != nil {
			if broker.KindOf(err) != broker.Rejected {
				t.Errorf("%v: want rejected", err)
			}
			return
		}
		twice, err := broker.CanonicalSPKI(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%x became %x: %v", once, twice, err)
		}
		before, errBefore := x509.ParsePKIXPublicKey(der)
		after, errAfter := x509.ParsePKIXPublicKey(once)
		if (errBefore == nil) != (errAfter == nil) {
			t.Errorf("%v, then %v", errBefore, errAfter)
		}
		if same, ok := before.(interface{ Equal(crypto.PublicKey) bool }); ok && !same.Equal(after) {
			t.Errorf("another key came out")
		}
	})
}
