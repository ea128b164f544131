package broker_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func TestChallengeIsUnique(t *testing.T) {
	t.Parallel()
	s := subject(broker.ProofMAC, broker.MAC, nil)
	seen := map[string]bool{}
	for range 1000 {
		message := challenge(t, s).Message()
		if seen[string(message)] {
			t.Fatal("the same challenge twice")
		}
		seen[string(message)] = true
	}
}

// The form is TLS 1.3's, so that no protocol takes the message for its own.
func TestChallengeForm(t *testing.T) {
	t.Parallel()
	message := challenge(t, subject(broker.ProofMAC, broker.MAC, nil)).Message()
	prefix := append(bytes.Repeat([]byte{0x20}, 64), "keyferry proof v1\x00"...)
	if len(message) != 114 || !bytes.HasPrefix(message, prefix) {
		t.Errorf("%d bytes: %q", len(message), message)
	}
}

func TestChallengeIsOnlyRead(t *testing.T) {
	t.Parallel()
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	c := challenge(t, subject(broker.ProofPublicKey, broker.Decrypt, spki(t, pair.Public())))
	for name, read := range map[string]func() []byte{"message": c.Message, "ciphertext": c.Ciphertext} {
		before := read()
		given := read()
		given[0] ^= 0xff
		if !bytes.Equal(read(), before) {
			t.Errorf("%s was changed by who was given it", name)
		}
	}
	sent := []byte("the token's ciphertext")
	with := c.WithCiphertext(sent)
	sent[0] = 'x'
	if string(with.Ciphertext()) != "the token's ciphertext" || bytes.Equal(c.Ciphertext(), with.Ciphertext()) {
		t.Error("WithCiphertext changed the challenge it was called on, or shares its bytes")
	}
}

func TestChallengeSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	s := subject(broker.ProofMAC, broker.MAC, nil)
	s.Spec = broker.HMAC384
	c := challenge(t, s)
	if c.Level() != broker.ProofMAC || c.Purpose() != broker.MAC || c.Spec() != broker.HMAC384 || len(c.Ciphertext()) > 0 || len(c.Peer()) > 0 {
		t.Errorf("%s %s %s", c.Level(), c.Purpose(), c.Spec())
	}
}

func TestChallengeForNoKey(t *testing.T) {
	t.Parallel()
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for name, s := range map[string]broker.ChallengeSubject{
		"no public key":         subject(broker.ProofPublicKey, broker.Decrypt, nil),
		"a truncated one":       subject(broker.ProofPublicKey, broker.Agree, spki(t, curve.Public())[:40]),
		"a curve that decrypts": subject(broker.ProofPublicKey, broker.Decrypt, spki(t, curve.Public())),
		"RSA that agrees":       subject(broker.ProofPublicKey, broker.Agree, spki(t, pair.Public())),
	} {
		if _, err := broker.NewChallenge(s, checkedAt); err == nil {
			t.Errorf("%s: a challenge was made", name)
		}
	}
}
