package broker

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// WrappingKey is the provider's RSA public key under which material is wrapped,
// as fetched: nothing about it has been checked.
type WrappingKey struct {
	PublicKey   []byte // DER SubjectPublicKeyInfo
	Token       []byte // import token; nil where the provider has none
	Mechanism   Mechanism
	ExpiresAt   time.Time
	SingleUse   bool
	Source      string // provenance in the provider's words: the key or job it was issued for
	Attestation []byte // stored, unchecked
	// Ref is the provider's id of a wrapping key that is kept (Capabilities.KeepsWrappingKeys).
	Ref     string
	Receipt Receipt
}

// attested says what is known of a wrapping key's own attestation.
func (k WrappingKey) attested() string {
	if len(k.Attestation) == 0 {
		return ""
	}
	return "unchecked sha256:" + fingerprint(k.Attestation)
}

// KeptWrappingKey is a wrapping key that a recorded operation of ours had made, and
// that later ones may use until its end. Its id and fingerprint are kept, never the
// key: that is fetched anew each time and must have this fingerprint.
type KeptWrappingKey struct {
	Target      string    `json:"target"`
	Ref         string    `json:"ref"`         // the provider's id of it
	Fingerprint string    `json:"fingerprint"` // SHA-256, hex, of its DER SubjectPublicKeyInfo
	Operation   string    `json:"operation"`   // that had it made
	MadeAt      time.Time `json:"made_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Ended       string    `json:"ended,omitempty"` // why it is used no more
}

// WrappingKeyPolicy is what a target demands of wrapping keys.
type WrappingKeyPolicy struct {
	MinBits int // 0 means 2048, which is also the least that can be asked for
	// Attestation is required: refused, until it can be checked here.
	Attestation bool
}

// minWrappingBits is the floor that no policy lowers (SP 800-131A rev. 2).
const minWrappingBits = 2048

// maxWrappingBits bounds the time that a modulus sent by somebody else can cost;
// no provider's wrapping key has more than 4096 bits.
const maxWrappingBits = 8192

// expiryMargin is how much life a wrapping key must have left.
const expiryMargin = time.Minute

// CheckedWrappingKey is a wrapping key that passed CheckWrappingKey, together
// with the plan it will be used by. It can be built in no other way, and it
// holds the key itself, not a name for it: who can swap it can read what is
// wrapped under it.
type CheckedWrappingKey struct {
	key         *rsa.PublicKey
	plan        Plan
	fingerprint string
	expires     time.Time
}

// PublicKey of the provider; nil for a value that no check built.
func (c CheckedWrappingKey) PublicKey() *rsa.PublicKey {
	if c.key == nil {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).Set(c.key.N), E: c.key.E}
}

// Plan to wrap by.
func (c CheckedWrappingKey) Plan() Plan { return c.plan }

// Fingerprint is the SHA-256 of the DER SubjectPublicKeyInfo, hex.
func (c CheckedWrappingKey) Fingerprint() string { return c.fingerprint }

// Strength is the transport's security strength in bits: the RSA key's, which an
// AES-256 key under it cannot exceed on the way.
func (c CheckedWrappingKey) Strength() int {
	if c.key == nil {
		return 0
	}
	return rsaStrength(c.key.N.BitLen())
}

// CheckWrappingKey accepts a wrapping key that is RSA, DER to the byte, with
// exponent 65537, of the demanded size, for the plan's mechanism, and unexpired
// at now. Its errors are Rejected (or Expired) and say which check failed.
func CheckWrappingKey(k WrappingKey, plan Plan, policy WrappingKeyPolicy, now time.Time) (CheckedWrappingKey, error) {
	refuse := func(kind Kind, format string, args ...any) (CheckedWrappingKey, error) {
		return CheckedWrappingKey{}, &Error{
			Kind: kind, Op: "check wrapping key", Object: k.Source, Cause: fmt.Errorf(format, args...),
			Hint: "nothing was wrapped; a wrapping key that fails a check can leak the key, so find out who sent it",
		}
	}
	pub, err := parseWrappingKey(k.PublicKey)
	switch {
	case err != nil:
		return refuse(Rejected, "%w", err)
	case policy.Attestation:
		return refuse(Unsupported, "the target demands that its attestation is checked, which is not possible yet")
	case k.Mechanism != plan.Mechanism:
		return refuse(Rejected, "issued for %s, the plan is %s", k.Mechanism, plan.Mechanism)
	case pub.E != 65537:
		return refuse(Rejected, "public exponent is %d, not 65537", pub.E)
	case pub.N.BitLen() < max(policy.MinBits, minWrappingBits):
		return refuse(Rejected, "modulus has %d bits, at least %d are required", pub.N.BitLen(), max(policy.MinBits, minWrappingBits))
	case pub.N.BitLen() > maxWrappingBits:
		return refuse(Rejected, "modulus has %d bits, at most %d are taken", pub.N.BitLen(), maxWrappingBits)
	case smallFactor(pub.N):
		return refuse(Rejected, "modulus has a small factor")
	case !k.ExpiresAt.IsZero() && now.Add(expiryMargin).After(k.ExpiresAt):
		return refuse(Expired, "valid until %s", k.ExpiresAt.UTC().Format(time.RFC3339))
	}
	sum := sha256.Sum256(k.PublicKey)
	return CheckedWrappingKey{key: pub, plan: plan, fingerprint: hex.EncodeToString(sum[:]), expires: k.ExpiresAt}, nil
}

// parseWrappingKey takes exactly the DER that encodes the key it holds.
func parseWrappingKey(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	pub, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key is %T, not RSA", parsed)
	}
	again, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil || !bytes.Equal(again, der) {
		return nil, fmt.Errorf("public key is not in canonical DER")
	}
	return pub, nil
}

// smallFactor finds moduli that were never the product of two large primes.
func smallFactor(n *big.Int) bool {
	const below = 1000
	var composite [below]bool // the sieve of Eratosthenes
	rest := new(big.Int)
	for p := int64(2); p < below; p++ {
		if composite[p] {
			continue
		}
		for m := p * p; m < below; m += p {
			composite[m] = true
		}
		if rest.Mod(n, big.NewInt(p)).Sign() == 0 {
			return true
		}
	}
	return false
}
