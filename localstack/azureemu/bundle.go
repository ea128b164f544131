package azureemu

import (
	"encoding/base64"
	"math/big"
)

// keyBundle is a key version as the API answers it (KeyBundle).
type keyBundle struct {
	Key        jwkOut            `json:"key"`
	Attributes attributesOut     `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// jwkOut is the public part of a key.
type jwkOut struct {
	KID    string   `json:"kid"`
	Kty    string   `json:"kty"`
	KeyOps []string `json:"key_ops"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
}

type attributesOut struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
	Exportable      bool   `json:"exportable"`
	HSMPlatform     string `json:"hsmPlatform"`
}

// base64url is how the API writes bytes: RFC 4648 §5 without padding.
func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// bundle is a version as get, create, import and update answer it.
func (c *call) bundle(k *key, v *version) keyBundle {
	return keyBundle{Key: c.jwk(k, v), Attributes: c.attributes(v), Tags: v.tags}
}

func (c *call) jwk(k *key, v *version) jwkOut {
	out := jwkOut{KID: c.kid(k.name, v.id), Kty: v.kty, KeyOps: v.ops}
	if v.secret.pair == nil {
		return out
	}
	if private := v.secret.pair.RSA(); private != nil {
		out.N, out.E = base64url(private.N.Bytes()), base64url(big.NewInt(int64(private.E)).Bytes())
		return out
	}
	x, y := v.point()
	out.Crv, out.X, out.Y = v.crv(), base64url(x), base64url(y)
	return out
}

// fieldSize is the length of a curve's coordinates in bytes.
func fieldSize(crv string) int {
	return map[string]int{"P-256": 32, "P-256K": 32, "P-384": 48, "P-521": 66}[crv]
}

// point is the public point of an EC key.
func (v *version) point() (x, y []byte) { return pointOf(v.secret.pair.SPKI(), v.crv()) }

// pointOf reads it off a SubjectPublicKeyInfo, which ends with both coordinates in
// the field's length (RFC 5480 §2.2, uncompressed).
func pointOf(spki []byte, crv string) (x, y []byte) {
	size := fieldSize(crv)
	y = spki[len(spki)-size:]
	return spki[len(spki)-2*size : len(spki)-size], y
}

func (c *call) attributes(v *version) attributesOut {
	platform := "0"
	if inHSM(v.kty) {
		platform = "2"
	}
	return attributesOut{
		Enabled: v.enabled, NotBefore: v.nbf, Expires: v.exp, Created: v.created.Unix(), Updated: v.updated.Unix(),
		RecoveryLevel: c.vault.recoveryLevel(), RecoverableDays: c.vault.retention(), HSMPlatform: platform,
	}
}
