package azureemu

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Key types of the API (JsonWebKeyType).
const (
	ktyRSA    = "RSA"
	ktyRSAHSM = "RSA-HSM"
	ktyEC     = "EC"
	ktyECHSM  = "EC-HSM"
	ktyOct    = "oct"
	ktyOctHSM = "oct-HSM"
)

// inHSM tells key types whose keys an HSM holds.
func inHSM(kty string) bool { return strings.HasSuffix(kty, "-HSM") }

// baseType is a key type without where the key is.
func baseType(kty string) string { return strings.TrimSuffix(kty, "-HSM") }

// Key operations of the API (JsonWebKeyOperation).
const (
	opEncrypt = "encrypt"
	opDecrypt = "decrypt"
	opSign    = "sign"
	opVerify  = "verify"
	opWrap    = "wrapKey"
	opUnwrap  = "unwrapKey"
	opImport  = "import"
)

// operationsOf are those that a key type can have, which is also what a key has
// that was created without any (About keys: key operations).
func operationsOf(kty string) []string {
	switch baseType(kty) {
	case ktyRSA:
		return []string{opEncrypt, opDecrypt, opSign, opVerify, opWrap, opUnwrap}
	case ktyEC:
		return []string{opSign, opVerify}
	default:
		return []string{opEncrypt, opDecrypt, opWrap, opUnwrap}
	}
}

// secret is a key's material: a pair, or the bytes of a symmetric key.
type secret struct {
	pair *emu.Pair
	raw  []byte
}

// version is one set of material under a key's name.
type version struct {
	id       string // 32 hex digits
	kty      string
	secret   secret
	imported bool
	sha256   string // of the bytes as they were unwrapped, or of the JWK's PKCS#8
	ops      []string
	enabled  bool
	nbf, exp *int64 // seconds, IntDate of RFC 7519
	tags     map[string]string
	created  time.Time
	updated  time.Time

	unwrapped int // of a KEK: how much was imported under it
}

// curves are the API's names (JsonWebKeyCurveName).
func curves() map[emu.Kind]string {
	return map[emu.Kind]string{emu.P256: "P-256", emu.P384: "P-384", emu.P521: "P-521", emu.Secp256k1: "P-256K"}
}

// kindOf is the kind of pair on a curve.
func kindOf(crv string) (emu.Kind, bool) {
	for kind, name := range curves() {
		if name == crv {
			return kind, true
		}
	}
	return emu.Any, false
}

// crv is the curve of an EC key, else "".
func (v *version) crv() string {
	if v.secret.pair == nil {
		return ""
	}
	return curves()[v.secret.pair.Shape().Kind]
}

// bits is the size of an RSA or symmetric key.
func (v *version) bits() int {
	if v.secret.pair == nil {
		return 8 * len(v.secret.raw)
	}
	return v.secret.pair.Shape().Bits
}

// identity is equal for equal material, however it was encoded.
func (v *version) identity() string {
	if v.secret.pair != nil {
		return v.secret.pair.Identity()
	}
	return v.sha256
}

func (v *version) allows(op string) bool { return slices.Contains(v.ops, op) }

// isKEK tells Key Exchange Keys, which import and do nothing else.
func (v *version) isKEK() bool { return v.allows(opImport) }

// shaOf is SHA-256 in hex.
func shaOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// validTo is when the version expires; zero for never.
func (v *version) validTo() time.Time {
	if v.exp == nil {
		return time.Time{}
	}
	return time.Unix(*v.exp, 0).UTC()
}
