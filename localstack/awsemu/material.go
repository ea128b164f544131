package awsemu

import (
	"fmt"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// States of a symmetric key's material (ListKeyRotations).
const (
	stateCurrent    = "CURRENT"
	stateNonCurrent = "NON_CURRENT"
	statePending    = "PENDING_ROTATION"

	// What pending material of a multi-Region key shows until every replica has it.
	statePendingEverywhere = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
)

// secret is material that is present: raw bytes of secrets, or a pair.
type secret struct {
	raw  []byte
	pair *emu.Pair
}

// material is one set of a key's material, also when the secret itself is
// deleted or expired.
type material struct {
	id          string // KeyMaterialId
	identity    string // equal for equal material, however it is encoded
	sha256      string // of the bytes as first unwrapped
	state       string
	secret      *secret // nil: deleted or expired
	description string
	model       string // ExpirationModel
	validTo     time.Time
	rotatedAt   time.Time // zero for the first material
	imports     int
}

// permanent material is associated for good; pending material is not yet.
func (m *material) permanent() bool { return m.state != statePending }

func (m *material) present() bool { return m.secret != nil }

// newMaterial reads unwrapped bytes as a spec's material for one key.
func newMaterial(keyID string, spec keySpec, raw []byte, lenient bool) (*material, error) {
	s := &secret{raw: raw}
	switch {
	case spec.asymmetric():
		p, err := emu.ParsePair(spec.pair, raw)
		if err != nil {
			return nil, err
		}
		s = &secret{pair: p}
	case !rightLength(spec, len(raw), lenient):
		return nil, badMaterial("%d bytes, not the %d of %s", len(raw), spec.bits/8, spec.name)
	}
	m := &material{id: materialID(keyID, s.identity()), identity: s.identity(), sha256: emu.HexSum(raw), state: stateCurrent, secret: s}
	return m, nil
}

func badMaterial(format string, args ...any) error {
	return fmt.Errorf("%w: %s", emu.ErrMaterial, fmt.Sprintf(format, args...))
}

// identity is equal for equal material, however it was encoded.
func (s *secret) identity() string {
	if s.pair != nil {
		return s.pair.Identity()
	}
	return emu.HexSum(s.raw)
}

// rightLength: AWS's pages disagree whether HMAC material may be longer than the
// spec, up to 1024 bits.
func rightLength(spec keySpec, n int, lenient bool) bool {
	if lenient && spec.class == classMAC {
		return n >= spec.bits/8 && n <= 128
	}
	return n == spec.bits/8
}

// materialID is deterministic per key and material, and says nothing of the
// material to who does not have it. AWS's own derivation is not published.
func materialID(keyID, identity string) string {
	return emu.HexSum([]byte("key material id\x00" + keyID + "\x00" + identity))
}
