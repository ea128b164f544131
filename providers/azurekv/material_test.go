package azurekv_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// challenged is a challenge for material, and the token's answer to it.
func challenged(t *testing.T, m made, s broker.KeySpec, purpose broker.Purpose) (broker.Challenge, broker.Answer) {
	t.Helper()
	subject := broker.ChallengeSubject{Ref: m.v, Level: broker.ProofCipher, Spec: s, Purpose: purpose}
	if !s.Secret() {
		private, err := x509.ParsePKCS8PrivateKey(m.raw)
		if err != nil {
			t.Fatal(err)
		}
		subject.Level, subject.PublicKey = broker.ProofPublicKey, emutest.SPKI(t, private)
	}
	c, err := broker.NewChallenge(subject, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Secret() {
		return c, broker.Answer{PublicKey: subject.PublicKey}
	}
	block, err := aes.NewCipher(m.raw)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := emutest.Random(gcm.NonceSize())
	return c.WithCiphertext(gcm.Seal(nonce, nonce, c.Message(), nil)), broker.Answer{}
}

// pkix is a public key as answers have it.
func pkix(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
