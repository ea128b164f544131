package broker

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"time"
)

// ProofLevel is how we know that a provider holds the same material. It never
// shows that only the provider holds it: that rests on where the wrapping key
// came from.
type ProofLevel string

// The proof levels, strongest first.
const (
	ProofPublicKey ProofLevel = "public-key" // equal public keys, and possession of the private one
	ProofMAC       ProofLevel = "mac"        // both sides compute the same HMAC
	ProofCipher    ProofLevel = "cipher"     // the token encrypts, the provider decrypts
	ProofReimport  ProofLevel = "reimport"   // the same handle is accepted again as existing material; other material would be refused
	ProofAccepted  ProofLevel = "accepted"   // the provider took it; nothing stronger exists there
)

// challengePrefix makes the message impossible to confuse with anything else a
// key is asked to sign or authenticate; its form is TLS 1.3's (RFC 8446 §4.4.3).
const challengePrefix = "keyferry proof v1\x00"

// challengeLife is how long a challenge may be answered.
const challengeLife = 10 * time.Minute

// ChallengeSubject is what a proof is about: the challenge is bound to it.
type ChallengeSubject struct {
	Effect   string // effect id, or operation id of a later check
	Provider string
	Account  string
	Ref      VersionRef
	Level    ProofLevel
	Spec     KeySpec
	Purpose  Purpose
	// PublicKey is the token's, DER SubjectPublicKeyInfo; for pairs.
	PublicKey []byte
	// PublicOnly: the version cannot be used now, because it is disabled or not yet
	// valid, and only its public key is asked for.
	PublicOnly bool
}

// Challenge is a message both sides answer, used once. Only this package builds
// one, so an answer never means anything elsewhere.
type Challenge struct {
	subject    ChallengeSubject
	message    []byte
	ciphertext []byte           // what the provider shall decrypt
	peer       []byte           // the public key it shall agree with
	ephemeral  *ecdh.PrivateKey // its private half, for one comparison
	madeAt     time.Time
}

// NewChallenge builds a challenge of 114 bytes: 64 × 0x20, the prefix, and
// SHA-256 over the subject, 32 random bytes and now. For decryption keys the
// message is encrypted to the token's public key (RSA-OAEP-SHA-256); for
// agreement keys an ephemeral key is made.
func NewChallenge(s ChallengeSubject, now time.Time) (Challenge, error) {
	nonce := make([]byte, 32)
	rand.Read(nonce)
	c := Challenge{subject: s, madeAt: now, message: challengeMessage(s, nonce, now)}
	if s.Level != ProofPublicKey || s.Purpose == Sign || s.PublicOnly {
		return c, nil
	}
	pub, err := x509.ParsePKIXPublicKey(s.PublicKey)
	if err != nil {
		return Challenge{}, fmt.Errorf("build challenge: parse the token's public key: %w", err)
	}
	switch s.Purpose {
	case Decrypt:
		err = c.encryptTo(pub)
	case Agree:
		err = c.agreeWith(pub)
	default: // the others have nothing to prepare
	}
	return c, err
}

func challengeMessage(s ChallengeSubject, nonce []byte, now time.Time) []byte {
	h := sha256.New()
	for _, field := range []string{
		s.Effect, s.Provider, s.Account, s.Ref.Key.ID, s.Ref.ID, string(s.Purpose),
		string(nonce), now.UTC().Format(time.RFC3339Nano),
	} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(field))) // a hash never fails
		h.Write([]byte(field))
	}
	message := make([]byte, 64, 64+len(challengePrefix)+sha256.Size)
	for i := range message {
		message[i] = 0x20
	}
	return h.Sum(append(message, challengePrefix...))
}

func (c *Challenge) encryptTo(pub any) error {
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("build challenge: %T cannot decrypt: %w", pub, Unsupported)
	}
	out, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, c.message, nil)
	if err != nil {
		return fmt.Errorf("build challenge: encrypt: %w", err)
	}
	c.ciphertext = out
	return nil
}

func (c *Challenge) agreeWith(pub any) error {
	key, err := ecdhPublic(pub)
	if err != nil {
		return fmt.Errorf("build challenge: %w", err)
	}
	c.ephemeral, err = key.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("build challenge: make ephemeral key: %w", err)
	}
	c.peer, err = x509.MarshalPKIXPublicKey(c.ephemeral.PublicKey())
	if err != nil {
		return fmt.Errorf("build challenge: encode ephemeral key: %w", err)
	}
	return nil
}

// Level of proof that is asked for.
func (c Challenge) Level() ProofLevel { return c.subject.Level }

// Spec of the key that answers.
func (c Challenge) Spec() KeySpec { return c.subject.Spec }

// Purpose of the key that answers: it says which of sign, decrypt and agree shows
// possession.
func (c Challenge) Purpose() Purpose { return c.subject.Purpose }

// PublicOnly says that the provider is asked for its public key alone, and uses none.
func (c Challenge) PublicOnly() bool { return c.subject.PublicOnly }

// Message to MAC, to sign, or to encrypt in the token.
func (c Challenge) Message() []byte { return append([]byte(nil), c.message...) }

// Ciphertext is what the provider shall decrypt: RSA-OAEP-SHA-256 for decryption
// keys; for the cipher level what the token answered.
func (c Challenge) Ciphertext() []byte { return append([]byte(nil), c.ciphertext...) }

// Peer is the public key to agree with, DER SubjectPublicKeyInfo.
func (c Challenge) Peer() []byte { return append([]byte(nil), c.peer...) }

// WithCiphertext is the challenge that goes to the provider after the token
// encrypted its message.
func (c Challenge) WithCiphertext(ciphertext []byte) Challenge {
	c.ciphertext = append([]byte(nil), ciphertext...)
	return c
}

// Scheme names how an answer's value was made.
type Scheme string

// The schemes of answers.
const (
	SchemePSS       Scheme = "rsassa-pss-sha256" // salt as long as the hash
	SchemePSS512    Scheme = "rsassa-pss-sha512" // the same
	SchemePKCS1     Scheme = "rsassa-pkcs1-v1_5-sha256"
	SchemePKCS1512  Scheme = "rsassa-pkcs1-v1_5-sha512"
	SchemeECDSA256  Scheme = "ecdsa-sha256" // DER signature
	SchemeECDSA384  Scheme = "ecdsa-sha384"
	SchemeECDSA512  Scheme = "ecdsa-sha512"
	SchemeEd25519   Scheme = "ed25519"
	SchemeHMAC      Scheme = "hmac"
	SchemeDecrypted Scheme = "decrypted"     // the message that came out
	SchemeShared    Scheme = "ecdh-x"        // the x coordinate, as long as the field
	SchemeGCM       Scheme = "aes-gcm"       // 12-byte nonce ‖ ciphertext ‖ 16-byte tag
	SchemeCBC       Scheme = "aes-cbc-pkcs7" // 16-byte IV ‖ ciphertext
)

// Answer is one side's answer to a challenge.
type Answer struct {
	PublicKey []byte `json:"public_key,omitempty"` // DER SubjectPublicKeyInfo, as that side holds it
	Scheme    Scheme `json:"scheme,omitempty"`
	Value     []byte `json:"value,omitempty"`
	// Version is the provider's id of the material that answered, where it says
	// one: for the read-only check of a reimport proof.
	Version string  `json:"version,omitempty"`
	Reason  string  `json:"reason,omitempty"` // why the answer is weaker than asked
	Receipt Receipt `json:"receipt"`
}
