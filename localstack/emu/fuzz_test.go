package emu_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// kwpVectors are those of RFC 5649 §6, both under one key.
var kwpVectors = map[string]string{
	"c37b7e6492584340bed12207808941155068f738": "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
	"466f7250617369": "afbeb0f07dfbf5419200f2ccb50bb24f",
}

const kwpKEK = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	return emutest.Must(hex.DecodeString(s))(t)
}

func TestKWPVectors(t *testing.T) {
	t.Parallel()
	kek := unhex(t, kwpKEK)
	for plain, wrapped := range kwpVectors {
		got := emutest.Must(emu.UnwrapKWP(kek, unhex(t, wrapped)))(t)
		if !bytes.Equal(got, unhex(t, plain)) {
			t.Errorf("unwrapped %x, want %s", got, plain)
		}
		if again := emutest.KWP(t, kek, got); !bytes.Equal(again, unhex(t, wrapped)) {
			t.Errorf("the test wraps to %x, want %s", again, wrapped)
		}
		spoiled := unhex(t, wrapped)
		spoiled[0] ^= 1
		if _, err := emu.UnwrapKWP(kek, spoiled); err == nil {
			t.Error("spoiled, and unwrapped")
		}
	}
}

func FuzzUnwrapKWP(f *testing.F) {
	kek, err := hex.DecodeString(kwpKEK)
	if err != nil {
		f.Fatal(err)
	}
	for _, wrapped := range kwpVectors {
		seed, err := hex.DecodeString(wrapped)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte{})
	f.Add(make([]byte, 15))
	f.Add(make([]byte, 24))
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		plain, err := emu.UnwrapKWP(kek, wrapped)
		if err != nil {
			return
		}
		if again := emutest.KWP(t, kek, plain); !bytes.Equal(again, wrapped) {
			t.Errorf("%x and %x unwrap to the same", wrapped, again)
		}
	})
}

func FuzzKWPRoundTrip(f *testing.F) {
	f.Add([]byte("12345678"))
	f.Add([]byte("x"))
	f.Add(bytes.Repeat([]byte{7}, 2400))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) == 0 {
			return
		}
		kek := bytes.Repeat([]byte{3}, 32)
		if got := emutest.Must(emu.UnwrapKWP(kek, emutest.KWP(t, kek, plain)))(t); !bytes.Equal(got, plain) {
			t.Errorf("unwrapped %x, want %x", got, plain)
		}
	})
}

// What the strict parser takes, the standard library takes too, with the same
// public key; and a byte more or less is refused.
func FuzzParsePair(f *testing.F) {
	shapes := []emu.Shape{
		{Kind: emu.P256}, {Kind: emu.P384}, {Kind: emu.P521}, {Kind: emu.Secp256k1}, {Kind: emu.Ed25519}, {Kind: emu.RSA, Bits: 2048}, {},
	}
	for i, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, der := emutest.EC(f, c)
		f.Add(i, der)
		sec1, err := x509.MarshalECPrivateKey(private)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, sec1)
	}
	f.Add(3, emutest.Koblitz(f))
	f.Add(4, append([]byte{0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20}, make([]byte, 32)...))
	f.Add(5, emutest.RSA(f))
	f.Add(0, []byte{0x30, 0x80})
	f.Add(0, []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, i int, raw []byte) {
		if i < 0 || i >= len(shapes) {
			return
		}
		pair, err := emu.ParsePair(shapes[i], raw)
		if err != nil {
			return
		}
		for _, other := range [][]byte{append(bytes.Clone(raw), 0), raw[:len(raw)-1]} {
			if _, err := emu.ParsePair(shapes[i], other); err == nil {
				t.Error("a byte more or less was taken")
			}
		}
		if pair.Shape().Kind == emu.Secp256k1 {
			return // the standard library does not know it
		}
		key, err := x509.ParsePKCS8PrivateKey(raw)
		if err != nil {
			t.Fatalf("the standard library refuses it: %v", err)
		}
		if want := emutest.SPKI(t, key); !bytes.Equal(pair.SPKI(), want) {
			t.Errorf("public key %x, want %x", pair.SPKI(), want)
		}
	})
}
