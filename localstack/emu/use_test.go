package emu_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func shapes() []emu.Shape {
	return []emu.Shape{
		{Kind: emu.RSA, Bits: 2048}, {Kind: emu.P256}, {Kind: emu.P384}, {Kind: emu.P521}, {Kind: emu.Secp256k1}, {Kind: emu.Ed25519},
	}
}

// generate takes RSA from what the tests share.
func generate(t *testing.T, s emu.Shape) *emu.Pair {
	t.Helper()
	if s.Kind == emu.RSA {
		return emutest.Must(emu.NewRSA(shared(t)))(t)
	}
	return emutest.Must(emu.GeneratePair(s))(t)
}

func TestSignaturesAreVerified(t *testing.T) {
	t.Parallel()
	digest := sha256.Sum256([]byte("message"))
	for _, s := range shapes() {
		pair := generate(t, s)
		if pair.Shape() != s || len(pair.Identity()) != 64 {
			t.Errorf("%s is %s", s, pair.Shape())
		}
		for _, opts := range []crypto.SignerOpts{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}} {
			signature := emutest.Must(pair.Sign(digest[:], opts))(t)
			if !pair.Verify(digest[:], signature, opts) {
				t.Errorf("%s: its own signature is refused", s)
			}
			signature[len(signature)-1] ^= 1
			if pair.Verify(digest[:], signature, opts) {
				t.Errorf("%s: a spoiled signature is taken", s)
			}
		}
	}
}

func TestOtherPublicKeysAreOfTheSameShape(t *testing.T) {
	t.Parallel()
	for _, s := range shapes() {
		pair := generate(t, s)
		other := emutest.Must(pair.OtherSPKI())(t)
		if bytes.Equal(other, pair.SPKI()) || len(other) != len(pair.SPKI()) {
			t.Errorf("%s: %x", s, other)
		}
		looksWhole(t, other)
	}
}

func TestAnyTakesAllAndTellsWhatItIs(t *testing.T) {
	t.Parallel()
	_, p384 := emutest.EC(t, elliptic.P384())
	rsa2048 := emutest.Must(x509.MarshalPKCS8PrivateKey(shared(t)))(t)
	for _, c := range []struct {
		raw  []byte
		is   emu.Shape
		asks []emu.Shape
	}{
		{p384, emu.Shape{Kind: emu.P384}, []emu.Shape{{}, {Kind: emu.P384}}},
		{rsa2048, emu.Shape{Kind: emu.RSA, Bits: 2048}, []emu.Shape{{}, {Kind: emu.RSA}, {Kind: emu.RSA, Bits: 2048}}},
		{emutest.Koblitz(t), emu.Shape{Kind: emu.Secp256k1}, []emu.Shape{{}, {Kind: emu.Secp256k1}}},
	} {
		for _, ask := range c.asks {
			if got := emutest.Must(emu.ParsePair(ask, c.raw))(t); got.Shape() != c.is {
				t.Errorf("asked for %s, read %s, want %s", ask, got.Shape(), c.is)
			}
		}
		for _, ask := range []emu.Shape{{Kind: emu.P521}, {Kind: emu.RSA, Bits: 3072}, {Kind: emu.Ed25519}} {
			if _, err := emu.ParsePair(ask, c.raw); !errors.Is(err, emu.ErrMaterial) {
				t.Errorf("%s taken for %s: %v", c.is, ask, err)
			}
		}
	}
	if _, err := emu.GeneratePair(emu.Shape{}); !errors.Is(err, emu.ErrMaterial) {
		t.Errorf("made a pair of any kind: %v", err)
	}
}

func TestOnlySomeEncryptAndAgree(t *testing.T) {
	t.Parallel()
	peer := emutest.Must(ecdh.P256().GenerateKey(rand.Reader))(t)
	for _, s := range shapes() {
		pair := generate(t, s)
		sealed, err := pair.Encrypt(crypto.SHA256, []byte("hello"))
		if s.Kind != emu.RSA {
			if _, opening := pair.Decrypt(crypto.SHA256, nil); !errors.Is(err, emu.ErrUse) || !errors.Is(opening, emu.ErrUse) {
				t.Errorf("%s: encrypts: %v", s, err)
			}
		} else if got := emutest.Must(pair.Decrypt(crypto.SHA256, sealed))(t); string(got) != "hello" || pair.RSA() == nil {
			t.Errorf("decrypted %q", got)
		}
		secret, err := pair.Agree(peer.PublicKey())
		switch {
		case s.Kind == emu.P256:
			own := emutest.Must(pair.EC().PublicKey.ECDH())(t)
			if want := emutest.Must(peer.ECDH(own))(t); err != nil || !bytes.Equal(secret, want) {
				t.Errorf("agreed on %x, want %x: %v", secret, want, err)
			}
		case err == nil:
			t.Errorf("%s agrees with a peer on P-256", s)
		case pair.EC() == nil && !errors.Is(err, emu.ErrUse):
			t.Errorf("%s: %v", s, err)
		}
	}
}

// looksWhole: an RSA key that a careful reader would refuse at once is no lie.
func looksWhole(t *testing.T, spki []byte) {
	t.Helper()
	parsed, err := x509.ParsePKIXPublicKey(spki)
	pub, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok { // a curve that the library does not know is none of RSA's
		return
	}
	for d := int64(2); d < 1000; d++ {
		if new(big.Int).Mod(pub.N, big.NewInt(d)).Sign() == 0 {
			t.Errorf("%d divides it", d)
		}
	}
}
