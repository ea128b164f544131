package gcpemu

import (
	"fmt"

	"github.com/keyferry/keyferry/localstack/emu"
)

// blame is what an import failed of.
type blame int

const (
	nothing    blame = iota
	length           // a length that shows before anything is unwrapped
	contents         // it does not unwrap, or to something else
	difference       // not the material that the version held before
)

// refuses tells whether a client sees the failure at once.
func (b blame) refuses(e ImportErrors) bool {
	return e == ImportRefused || e == LengthRefused && b == length
}

// outcome unwraps material for a version and says how the import will end.
func (j *job) outcome(v *version, wrapped []byte) (outcome, blame) {
	if why := j.badLength(v.algorithm, len(wrapped)); why != "" {
		return outcome{failure: why}, length
	}
	unwrap := emu.UnwrapRSAAES
	if j.method.direct {
		unwrap = emu.UnwrapOAEP
	}
	bytes, err := unwrap(j.private, j.method.hash, wrapped)
	if err != nil {
		return outcome{failure: malformed}, contents
	}
	m, ok := newMaterial(v.algorithm, bytes)
	switch {
	case !ok:
		return outcome{failure: malformed}, contents
	case v.held != nil && v.held.identity != m.identity:
		return outcome{failure: "The key material is not that which the version held before"}, difference
	}
	return outcome{material: m}, nothing
}

// Lengths that PKCS#8 of an EC key can have, from the scalar alone on P-256 to scalar,
// point and parameters on P-384.
const (
	shortestEC = 48
	longestEC  = 200
)

// badLength are the lengths that Google says show before unwrapping
// (Troubleshooting failed imports).
func (j *job) badLength(a algorithm, n int) string {
	block := j.method.bits / 8
	n -= block
	switch {
	case j.method.direct && n != 0:
		return "Wrapped key has invalid length"
	case j.method.direct:
		return ""
	case n < 16:
		return "Wrapped key is too short"
	case n%8 != 0:
		return "Wrapped key does not consist of 64-bit blocks"
	case !a.asymmetric() && n != padded(a.size):
		return "Wrapped key has invalid length"
	case a.asymmetric() && a.shape.Kind != emu.RSA && (n < padded(shortestEC) || n > padded(longestEC)):
		return fmt.Sprintf("Wrapped ECDSA key has invalid length of %d", n)
	}
	return ""
}

// padded is the length of AES-KWP of n bytes (RFC 5649 §4.1).
func padded(n int) int { return 8 + (n+7)/8*8 }
