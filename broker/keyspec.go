package broker

import (
	"crypto/sha1" //nolint:gosec // HMAC-SHA-1 is a key spec
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// KeySpec is the type and size of a key, in the broker's own words.
type KeySpec string

// The key specs the broker knows. Sizes are in bits; HMAC keys are as long as
// their hash (FIPS 198-1 §3), in bits too, SHA-1 by its name.
const (
	AES128    KeySpec = "aes-128"
	AES256    KeySpec = "aes-256"
	HMACSHA1  KeySpec = "hmac-sha1"
	HMAC224   KeySpec = "hmac-224"
	HMAC256   KeySpec = "hmac-256"
	HMAC384   KeySpec = "hmac-384"
	HMAC512   KeySpec = "hmac-512"
	RSA2048   KeySpec = "rsa-2048"
	RSA3072   KeySpec = "rsa-3072"
	RSA4096   KeySpec = "rsa-4096"
	ECP256    KeySpec = "ec-p256"
	ECP384    KeySpec = "ec-p384"
	ECP521    KeySpec = "ec-p521"
	Secp256k1 KeySpec = "ec-secp256k1"
	Ed25519   KeySpec = "ed25519"
)

// Class groups key specs that are made, wrapped and proven alike.
type Class string

// The classes of key specs.
const (
	ClassAES     Class = "aes"
	ClassHMAC    Class = "hmac"
	ClassRSA     Class = "rsa"
	ClassEC      Class = "ec"
	ClassEdwards Class = "ed"
)

// KeySpecs lists every key spec, in the order people expect to read them.
func KeySpecs() []KeySpec {
	return []KeySpec{
		AES128, AES256, HMACSHA1, HMAC224, HMAC256, HMAC384, HMAC512,
		RSA2048, RSA3072, RSA4096, ECP256, ECP384, ECP521, Secp256k1, Ed25519,
	}
}

// ParseKeySpec reads a key spec; its Misuse error names what is allowed.
func ParseKeySpec(s string) (KeySpec, error) {
	if spec := KeySpec(s); slices.Contains(KeySpecs(), spec) {
		return spec, nil
	}
	return "", fmt.Errorf("key spec %q is none of %s: %w", s, joinWords(KeySpecs()), Misuse)
}

// Class of the spec; "" for one the broker does not know.
func (s KeySpec) Class() Class {
	class, _, _ := strings.Cut(string(s), "-")
	switch class {
	case "aes", "hmac", "rsa", "ec":
		return Class(class)
	case "ed25519":
		return ClassEdwards
	default:
		return ""
	}
}

// Secret reports whether the material is raw bytes rather than a key pair.
func (s KeySpec) Secret() bool { return s.Class() == ClassAES || s.Class() == ClassHMAC }

// Bits is the length of a secret, or of an RSA modulus or EC field, in bits.
func (s KeySpec) Bits() int {
	switch s {
	case AES128:
		return 128
	case HMACSHA1:
		return 160
	case HMAC224:
		return 224
	case AES256, HMAC256, ECP256, Secp256k1, Ed25519:
		return 256
	case HMAC384, ECP384:
		return 384
	case HMAC512:
		return 512
	case ECP521:
		return 521
	case RSA2048:
		return 2048
	case RSA3072:
		return 3072
	case RSA4096:
		return 4096
	default:
		return 0
	}
}

// HMACHash is the hash of an HMAC spec (FIPS 198-1); SHA-256 of any other.
func (s KeySpec) HMACHash() func() hash.Hash {
	switch s {
	case HMACSHA1:
		return sha1.New
	case HMAC224:
		return sha256.New224
	case HMAC384:
		return sha512.New384
	case HMAC512:
		return sha512.New
	default:
		return sha256.New
	}
}

// Strength is the spec's security strength in bits (SP 800-57 part 1, table 2).
func (s KeySpec) Strength() int {
	switch s.Class() {
	case ClassRSA:
		return rsaStrength(s.Bits())
	case ClassEC, ClassEdwards:
		return min(s.Bits()/2, 256)
	case ClassAES, ClassHMAC:
		return s.Bits()
	default:
		return 0
	}
}

// rsaStrength follows SP 800-57 part 1 rev. 5 table 2, and between its rows the
// estimate of FIPS 140 IG 7.5 (about 150 bits for RSA-4096).
func rsaStrength(bits int) int {
	switch {
	case bits >= 15360:
		return 256
	case bits >= 7680:
		return 192
	case bits >= 4096:
		return 150
	case bits >= 3072:
		return 128
	case bits >= 2048:
		return 112
	default:
		return 0
	}
}

// Purpose is what consumers do with a key.
type Purpose string

// The purposes a key can have.
const (
	Encrypt Purpose = "encrypt" // symmetric encryption and decryption, in the provider's own way
	// RawEncrypt is symmetric encryption by an algorithm that the caller names, so that
	// others than the provider can decrypt (Google's RAW_ENCRYPT_DECRYPT).
	RawEncrypt Purpose = "raw-encrypt"
	MAC        Purpose = "mac"
	Sign       Purpose = "sign"
	Decrypt    Purpose = "decrypt" // RSA: others encrypt to it
	Agree      Purpose = "agree"   // EC: key agreement
)

// Purposes of the spec, the default one first.
func (s KeySpec) Purposes() []Purpose {
	switch s.Class() {
	case ClassAES:
		return []Purpose{Encrypt, RawEncrypt}
	case ClassHMAC:
		return []Purpose{MAC}
	case ClassRSA:
		return []Purpose{Sign, Decrypt}
	case ClassEC:
		if s == Secp256k1 {
			return []Purpose{Sign}
		}
		return []Purpose{Sign, Agree}
	case ClassEdwards:
		return []Purpose{Sign}
	default:
		return nil
	}
}

func joinWords[S ~string](words []S) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
