package broker_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// subject of a proof by a level.
func subject(level broker.ProofLevel, purpose broker.Purpose, publicKey []byte) broker.ChallengeSubject {
	return broker.ChallengeSubject{
		Effect: "kf-1", Provider: "aws", Account: "1", Ref: broker.VersionRef{Key: broker.KeyRef{ID: "key"}, ID: "material"},
		Level: level, Purpose: purpose, PublicKey: publicKey,
	}
}

func challenge(t *testing.T, s broker.ChallengeSubject) broker.Challenge {
	t.Helper()
	c, err := broker.NewChallenge(s, checkedAt)
	must(t, err)
	return c
}

// wrong is an answer that must not pass, and why.
type wrong struct {
	why             string
	token, provider broker.Answer
}

// holdsAgainst holds that the right answers pass and each wrong one differs.
func holdsAgainst(t *testing.T, c broker.Challenge, token, provider broker.Answer, wrongs []wrong) {
	t.Helper()
	if err := c.Compare(token, provider, checkedAt); err != nil {
		t.Errorf("the right answer: %v", err)
	}
	for _, w := range wrongs {
		if err := c.Compare(w.token, w.provider, checkedAt); broker.KindOf(err) != broker.Differs || err == nil {
			t.Errorf("%s: %v; want differs", w.why, err)
		}
	}
}

// spoiled are the ways to damage an answer's value that every scheme must notice.
func spoiled(token, provider broker.Answer) []wrong {
	with := func(value []byte) broker.Answer {
		a := provider
		a.Value = value
		return a
	}
	first, last := bytes.Clone(provider.Value), bytes.Clone(provider.Value)
	first[0] ^= 0x80
	last[len(last)-1] ^= 1
	return []wrong{
		{"nothing", token, with(nil)},
		{"the first bit flipped", token, with(first)},
		{"the last bit flipped", token, with(last)},
		{"a byte short", token, with(provider.Value[:len(provider.Value)-1])},
		{"a byte long", token, with(append(bytes.Clone(provider.Value), 0))},
		{"zeros", token, with(make([]byte, len(provider.Value)))},
	}
}

func TestCompareMAC(t *testing.T) {
	t.Parallel()
	c := challenge(t, subject(broker.ProofMAC, broker.MAC, nil))
	answer := broker.Answer{Scheme: broker.SchemeHMAC, Value: []byte("0123456789abcdef")}
	wrongs := append(spoiled(answer, answer),
		wrong{"nothing on both sides", broker.Answer{}, broker.Answer{}},
		wrong{"nothing from the token", broker.Answer{}, answer})
	holdsAgainst(t, c, answer, answer, wrongs)
}

func TestCompareCipher(t *testing.T) {
	t.Parallel()
	c := challenge(t, subject(broker.ProofCipher, broker.Encrypt, nil))
	token := broker.Answer{Scheme: broker.SchemeGCM, Value: []byte("nonce and ciphertext")}
	right := broker.Answer{Scheme: broker.SchemeDecrypted, Value: c.Message()}
	echo := wrong{"what the token answered, sent back", token, token}
	other := challenge(t, subject(broker.ProofCipher, broker.Encrypt, nil))
	earlier := wrong{"the answer to another challenge", token, broker.Answer{Value: other.Message()}}
	holdsAgainst(t, c.WithCiphertext(token.Value), token, right, append(spoiled(token, right), echo, earlier))
}

func TestCompareReimport(t *testing.T) {
	t.Parallel()
	c := challenge(t, subject(broker.ProofReimport, broker.Encrypt, nil))
	holdsAgainst(t, c, broker.Answer{}, broker.Answer{Version: "material"}, []wrong{
		{"other material", broker.Answer{}, broker.Answer{Version: "other"}},
		{"no material", broker.Answer{}, broker.Answer{}},
		{"only a part", broker.Answer{}, broker.Answer{Version: "materia"}},
	})
	unknown := subject(broker.ProofReimport, broker.Encrypt, nil)
	unknown.Ref.ID = "" // nothing to compare with: nothing is proven
	if err := challenge(t, unknown).Compare(broker.Answer{}, broker.Answer{}, checkedAt); err == nil {
		t.Error("nothing was compared with nothing, and that passed for a proof")
	}
}

func TestCompareWithoutAComparison(t *testing.T) {
	t.Parallel()
	for _, level := range []broker.ProofLevel{broker.ProofAccepted, "", "perhaps"} {
		c := challenge(t, subject(level, broker.Encrypt, nil))
		same := broker.Answer{Value: []byte("x"), PublicKey: []byte("x"), Version: "x"}
		if err := c.Compare(same, same, checkedAt); err == nil {
			t.Errorf("level %q passed", level)
		}
	}
}

// signer is a key pair with one scheme by which it signs.
type signer struct {
	name   string
	key    crypto.Signer
	scheme broker.Scheme
	sign   func(message []byte) ([]byte, error)
}

func signers(t *testing.T) []signer {
	t.Helper()
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	list := []signer{
		{"pss", pair, broker.SchemePSS, func(m []byte) ([]byte, error) {
			d := sha256.Sum256(m)
			return rsa.SignPSS(rand.Reader, pair, crypto.SHA256, d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}},
		{"pkcs1", pair, broker.SchemePKCS1, func(m []byte) ([]byte, error) {
			d := sha256.Sum256(m)
			return rsa.SignPKCS1v15(rand.Reader, pair, crypto.SHA256, d[:])
		}},
		{"pss with sha-512", pair, broker.SchemePSS512, func(m []byte) ([]byte, error) {
			d := sha512.Sum512(m)
			return rsa.SignPSS(rand.Reader, pair, crypto.SHA512, d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}},
		{"pkcs1 with sha-512", pair, broker.SchemePKCS1512, func(m []byte) ([]byte, error) {
			d := sha512.Sum512(m)
			return rsa.SignPKCS1v15(rand.Reader, pair, crypto.SHA512, d[:])
		}},
		{"ed25519", ed, broker.SchemeEd25519, func(m []byte) ([]byte, error) { return ed25519.Sign(ed, m), nil }},
	}
	for scheme, curve := range map[broker.Scheme]elliptic.Curve{
		broker.SchemeECDSA256: elliptic.P256(), broker.SchemeECDSA384: elliptic.P384(), broker.SchemeECDSA512: elliptic.P521(),
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		list = append(list, signer{string(scheme), key, scheme, func(m []byte) ([]byte, error) {
			return ecdsa.SignASN1(rand.Reader, key, digested(scheme, m))
		}})
	}
	return list
}

func digested(scheme broker.Scheme, message []byte) []byte {
	switch scheme {
	case broker.SchemeECDSA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case broker.SchemeECDSA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		sum := sha256.Sum256(message)
		return sum[:]
	}
}

func TestCompareSignatures(t *testing.T) {
	t.Parallel()
	all := signers(t)
	for i, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			public := spki(t, s.key.Public())
			c := challenge(t, subject(broker.ProofPublicKey, broker.Sign, public))
			signature, err := s.sign(c.Message())
			must(t, err)
			token := broker.Answer{PublicKey: public}
			right := broker.Answer{PublicKey: public, Scheme: s.scheme, Value: signature}
			holdsAgainst(t, c, token, right, append(spoiled(token, right), forged(t, c, s, all[(i+len(all)/2)%len(all)])...))
		})
	}
}

// forged are answers that another key, another message or another scheme made.
func forged(t *testing.T, c broker.Challenge, s, other signer) []wrong {
	t.Helper()
	public, foreign := spki(t, s.key.Public()), spki(t, other.key.Public())
	token := broker.Answer{PublicKey: public}
	signature, err := s.sign(c.Message())
	must(t, err)
	theirs, err := other.sign(c.Message())
	must(t, err)
	earlier, err := s.sign(challenge(t, subject(broker.ProofPublicKey, broker.Sign, public)).Message())
	must(t, err)
	digest := sha256.Sum256(c.Message())
	twice, err := s.sign(digest[:])
	must(t, err)
	answer := func(public []byte, scheme broker.Scheme, value []byte) broker.Answer {
		return broker.Answer{PublicKey: public, Scheme: scheme, Value: value}
	}
	list := []wrong{
		{"another key under its own name", token, answer(foreign, other.scheme, theirs)},
		{"another key under ours", token, answer(public, other.scheme, theirs)},
		{"no public key", token, answer(nil, s.scheme, signature)},
		{"no public key on both sides", broker.Answer{}, answer(nil, s.scheme, signature)},
		{"an earlier signature", token, answer(public, s.scheme, earlier)},
		{"a signature over the digest", token, answer(public, s.scheme, twice)},
	}
	for _, scheme := range []broker.Scheme{
		"", "none", broker.SchemePSS, broker.SchemePSS512, broker.SchemePKCS1, broker.SchemePKCS1512, broker.SchemeECDSA256, broker.SchemeECDSA384, broker.SchemeECDSA512,
		broker.SchemeEd25519, broker.SchemeHMAC, broker.SchemeDecrypted,
	} {
		if scheme != s.scheme {
			list = append(list, wrong{"under the scheme " + string(scheme), token, answer(public, scheme, signature)})
		}
	}
	return list
}

func TestCompareDecryption(t *testing.T) {
	t.Parallel()
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	public := spki(t, pair.Public())
	c := challenge(t, subject(broker.ProofPublicKey, broker.Decrypt, public))
	opened, err := rsa.DecryptOAEP(sha256.New(), nil, pair, c.Ciphertext(), nil)
	must(t, err)
	token := broker.Answer{PublicKey: public}
	right := broker.Answer{PublicKey: public, Scheme: broker.SchemeDecrypted, Value: opened}
	echo := right
	echo.Value = c.Ciphertext()
	holdsAgainst(t, c, token, right, append(spoiled(token, right), wrong{"the ciphertext sent back", token, echo}))
}

func TestCompareAgreement(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		pair, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		public := spki(t, pair.Public())
		c := challenge(t, subject(broker.ProofPublicKey, broker.Agree, public))
		shared, err := agree(pair, c.Peer())
		must(t, err)
		token := broker.Answer{PublicKey: public}
		right := broker.Answer{PublicKey: public, Scheme: broker.SchemeShared, Value: shared}
		peer := right
		peer.Value = c.Peer()
		holdsAgainst(t, c, token, right, append(spoiled(token, right), wrong{"the peer's key sent back", token, peer}))
	}
}

// agree is what the holder of a private key computes.
func agree(pair *ecdsa.PrivateKey, peer []byte) ([]byte, error) {
	parsed, err := x509.ParsePKIXPublicKey(peer)
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the peer's key is on no curve")
	}
	var theirs *ecdh.PublicKey
	if theirs, err = public.ECDH(); err != nil {
		return nil, err
	}
	mine, err := pair.ECDH()
	if err != nil {
		return nil, err
	}
	return mine.ECDH(theirs)
}

func TestCompareInTime(t *testing.T) {
	t.Parallel()
	c := challenge(t, subject(broker.ProofMAC, broker.MAC, nil))
	answer := broker.Answer{Value: []byte("mac")}
	for age, kind := range map[time.Duration]broker.Kind{
		0: "", time.Minute: "", 10 * time.Minute: "", 10*time.Minute + 1: broker.Expired, time.Hour: broker.Expired, -1: broker.Expired,
	} {
		err := c.Compare(answer, answer, checkedAt.Add(age))
		if kind == "" && err != nil || kind != "" && broker.KindOf(err) != kind {
			t.Errorf("after %s: %v; want %q", age, err, kind)
		}
	}
}
