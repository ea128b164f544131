package gcpemu

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/keyferry/keyferry/localstack/emu"
)

// malformed is one of the reasons that Google lists for failed imports.
const malformed = "The key material in the import request couldn't be unwrapped or wasn't formatted correctly"

// material is one set of key material. Without secret and pair it is a trace.
type material struct {
	secret   []byte
	pair     *emu.Pair
	sha256   string // of the bytes as unwrapped
	identity string // equal for equal material, however it was encoded
	public   string // SHA-256 of a pair's SubjectPublicKeyInfo; "" of secrets
}

// newMaterial reads unwrapped bytes as an algorithm's material; false if they are not.
func newMaterial(a algorithm, raw []byte) (*material, bool) {
	sum := sha256.Sum256(raw)
	m := &material{sha256: hex.EncodeToString(sum[:])}
	if !a.asymmetric() {
		m.secret, m.identity = raw, m.sha256
		return m, len(raw) == a.size
	}
	pair, err := emu.ParsePair(a.shape, raw)
	if err != nil {
		return nil, false
	}
	m.pair, m.identity, m.public = pair, pair.Identity(), pair.Identity()
	return m, true
}

// trace is what is remembered of material when it is gone.
func (m *material) trace() *material {
	return &material{sha256: m.sha256, identity: m.identity, public: m.public}
}
