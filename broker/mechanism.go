package broker

import "strings"

// Mechanism is a way to wrap key material for transport, named by what both
// sides must agree on. The hash is used for OAEP and for its MGF1 alike, and the
// OAEP label is empty (RFC 8017 §7.1).
type Mechanism string

// The mechanisms the broker knows. The two rsa-aes-key-wrap ones are
// RSA-OAEP(ephemeral AES-256 key) followed by AES-KWP(material) (RFC 5649), the
// output of PKCS#11's CKM_RSA_AES_KEY_WRAP.
const (
	OAEPSHA1   Mechanism = "rsa-oaep-sha1"
	OAEPSHA256 Mechanism = "rsa-oaep-sha256"
	KWPSHA1    Mechanism = "rsa-aes-key-wrap-sha1"
	KWPSHA256  Mechanism = "rsa-aes-key-wrap-sha256"
)

// Mechanisms lists every mechanism.
func Mechanisms() []Mechanism { return []Mechanism{OAEPSHA1, OAEPSHA256, KWPSHA1, KWPSHA256} }

// Direct reports whether the wrapping key encrypts the material itself.
func (m Mechanism) Direct() bool { return strings.HasPrefix(string(m), "rsa-oaep-") }

// SHA1 reports whether OAEP uses SHA-1. That needs no collision resistance and
// is not a weakness here; it is a compliance date, which the inventory shows.
func (m Mechanism) SHA1() bool { return strings.HasSuffix(string(m), "-sha1") }

// Way is how a token performs a mechanism.
type Way string

// The ways to perform a mechanism.
const (
	Direct  Way = "direct"   // CKM_RSA_PKCS_OAEP over the material
	OneStep Way = "one-step" // CKM_RSA_AES_KEY_WRAP
	TwoStep Way = "two-step" // OAEP of an ephemeral AES key, then AES-KWP under it
)

// Plan is one mechanism as one token performs it for one key spec, found by
// probing. Works without Conforming means that what comes out pads or shortens
// the material: such a plan is refused unless a policy allows it.
type Plan struct {
	Spec       KeySpec   `json:"spec"`
	Mechanism  Mechanism `json:"mechanism"`
	Way        Way       `json:"way"`
	AESNumber  uint      `json:"aes_number,omitempty"` // the PKCS#11 number that proved to be RFC 5649: 0x210B or 0x210A
	Works      bool      `json:"works"`
	Conforming bool      `json:"conforming"`
	Reason     string    `json:"reason,omitempty"` // why not, in plain words
	// Trusts: material that was born to be wrapped under trusted keys alone goes this way,
	// and no way was found for it under another key.
	Trusts   bool   `json:"trusts"`
	Distrust string `json:"distrust,omitempty"` // why not, in plain words
}
