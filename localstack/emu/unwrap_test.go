package emu_test

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func TestUnwrapsWhatATokenWraps(t *testing.T) {
	t.Parallel()
	key, material := shared(t), emutest.Random(32)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if got := emutest.Must(emu.UnwrapOAEP(key, h, emutest.OAEP(t, &key.PublicKey, h, material)))(t); !bytes.Equal(got, material) {
			t.Errorf("OAEP with %s unwraps to %x", h, got)
		}
		if got := emutest.Must(emu.UnwrapRSAAES(key, h, emutest.RSAAES(t, &key.PublicKey, h, material)))(t); !bytes.Equal(got, material) {
			t.Errorf("key wrap with %s unwraps to %x", h, got)
		}
	}
}

func TestRefusesWhatWasNotWrappedForIt(t *testing.T) {
	t.Parallel()
	key, material := shared(t), emutest.Random(32)
	direct := emutest.OAEP(t, &key.PublicKey, crypto.SHA256, material)
	hybrid := emutest.RSAAES(t, &key.PublicKey, crypto.SHA256, material)
	spoiled := slices.Clone(hybrid)
	spoiled[len(spoiled)-1] ^= 1
	short := append(emutest.OAEP(t, &key.PublicKey, crypto.SHA256, material[:16]), emutest.KWP(t, material[:16], material)...)
	for name, blob := range map[string][]byte{
		"nothing": nil, "a byte less": direct[1:], "a byte more": append(slices.Clone(direct), 0), "the other mechanism": hybrid,
	} {
		if _, err := emu.UnwrapOAEP(key, crypto.SHA256, blob); !errors.Is(err, emu.ErrUnwrap) {
			t.Errorf("OAEP: %s: %v", name, err)
		}
	}
	for name, blob := range map[string][]byte{
		"nothing": nil, "no wrapped key": direct, "spoiled": spoiled, "AES-128": short, "a byte more": append(slices.Clone(hybrid), 0),
	} {
		if _, err := emu.UnwrapRSAAES(key, crypto.SHA256, blob); !errors.Is(err, emu.ErrUnwrap) {
			t.Errorf("key wrap: %s: %v", name, err)
		}
	}
	if _, err := emu.UnwrapOAEP(key, crypto.SHA1, direct); !errors.Is(err, emu.ErrUnwrap) {
		t.Errorf("another hash: %v", err)
	}
}
