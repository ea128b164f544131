package emutest

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"testing"
)

// Random is n random bytes.
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// OAEP wraps as a token does directly: RSAES-OAEP, the same hash for MGF1.
func OAEP(tb testing.TB, public *rsa.PublicKey, h crypto.Hash, material []byte) []byte {
	tb.Helper()
	return Must(rsa.EncryptOAEP(h.New(), rand.Reader, public, material, nil))(tb)
}

// RSAAES wraps as CKM_RSA_AES_KEY_WRAP does: OAEP of an AES-256 key, then KWP.
func RSAAES(tb testing.TB, public *rsa.PublicKey, h crypto.Hash, material []byte) []byte {
	tb.Helper()
	ephemeral := Random(32)
	return append(OAEP(tb, public, h, ephemeral), KWP(tb, ephemeral, material)...)
}

// KWP wraps by RFC 5649 §4.1.
func KWP(tb testing.TB, kek, material []byte) []byte {
	tb.Helper()
	block := Must(aes.NewCipher(kek))(tb)
	aiv := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, uint32(len(material))) //nolint:gosec // no test's material is that long
	padded := append(bytes.Clone(material), make([]byte, -len(material)&7)...)
	if len(padded) == 8 {
		out := append(aiv, padded...)
		block.Encrypt(out, out)
		return out
	}
	step, b := uint64(0), make([]byte, 16)
	for range 6 {
		for i := 0; i < len(padded); i += 8 {
			step++
			block.Encrypt(b, append(bytes.Clone(aiv), padded[i:i+8]...))
			aiv = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)^step)
			copy(padded[i:], b[8:])
		}
	}
	return append(aiv, padded...)
}

// Must returns the value, or ends the test.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}
