package azureemu

import (
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
)

type signInput struct {
	Alg   string `json:"alg"`
	Value string `json:"value"`
}

// resultOut is the answer of cryptographic operations (KeyOperationResult).
type resultOut struct {
	KID   string `json:"kid"`
	Value string `json:"value"`
	IV    string `json:"iv,omitempty"`
	Tag   string `json:"tag,omitempty"`
	AAD   string `json:"aad,omitempty"`
}

// sign signs a digest.
func sign(c *call, in signInput) (any, error) {
	k, v, err := c.crypto(opSign)
	if err != nil {
		return nil, err
	}
	digest, h, err := v.digest(in.Alg, in.Value)
	if err != nil {
		return nil, err
	}
	signature, err := v.sign(in.Alg, h, digest)
	if err != nil {
		return nil, err
	}
	return resultOut{KID: c.kid(k.name, v.id), Value: base64url(signature)}, nil
}

// signatureHash is the hash of a signature algorithm (RFC 7518 §3.1, RFC 8812 §3.2).
func signatureHash(alg string) (crypto.Hash, bool) {
	h, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[strings.TrimSuffix(alg[min(2, len(alg)):], "K")]
	return h, ok
}

// signsWith says whether a version's key is of the algorithm's kind.
func (v *version) signsWith(alg string) bool {
	if baseType(v.kty) == ktyEC {
		return alg == map[string]string{"P-256": "ES256", "P-256K": "ES256K", "P-384": "ES384", "P-521": "ES512"}[v.crv()]
	}
	return baseType(v.kty) == ktyRSA && (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")) && len(alg) == 5
}

// digest reads what is to be signed, which must have the length of the hash.
func (v *version) digest(alg, value string) ([]byte, crypto.Hash, error) {
	h, ok := signatureHash(alg)
	if !ok || !v.signsWith(alg) {
		return nil, 0, refuse(codeBadParameter, "Key and signing key length do not match, or the algorithm %q is not supported by the key", alg)
	}
	digest, err := decodeBytes("value", value)
	if err != nil {
		return nil, 0, err
	}
	if len(digest) != h.Size() {
		return nil, 0, refuse(codeBadParameter, "Invalid length of \"value\": %d bytes. Supported for %s is %d bytes.", len(digest), alg, h.Size())
	}
	return digest, h, nil
}

// signerOptions choose the padding of RSA. The salt is as long as the hash (RFC
// 7518 §3.5).
func signerOptions(alg string, h crypto.Hash) crypto.SignerOpts {
	if strings.HasPrefix(alg, "PS") {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	return h
}

// sign makes a signature. Those on curves are r and s of the field's length, one
// after the other (RFC 7518 §3.4).
func (v *version) sign(alg string, h crypto.Hash, digest []byte) ([]byte, error) {
	signature, err := v.secret.pair.Sign(digest, signerOptions(alg, h))
	if err != nil || baseType(v.kty) != ktyEC {
		return signature, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &rs); err != nil {
		return nil, err
	}
	x, _ := v.point()
	return append(rs.R.FillBytes(make([]byte, len(x))), rs.S.FillBytes(make([]byte, len(x)))...), nil
}

// decodeBytes reads a member that holds bytes.
func decodeBytes(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, refuse(codeBadParameter, "The property %q is not base64url", name)
	}
	return b, nil
}
