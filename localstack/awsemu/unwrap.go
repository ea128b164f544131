package awsemu

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
)

// wrappingBits are the RSA wrapping key specs; SM2 exists in China only.
func wrappingBits(spec string) int {
	return map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
}

// wrappingHash is the hash of a wrapping algorithm, for OAEP and its MGF1 alike.
func wrappingHash(algorithm string) crypto.Hash {
	if strings.HasSuffix(algorithm, "_SHA_1") {
		return crypto.SHA1
	}
	return crypto.SHA256
}

// hybrid tells RSA_AES_KEY_WRAP_* from RSAES_OAEP_*.
func hybrid(algorithm string) bool { return strings.HasPrefix(algorithm, "RSA_AES_KEY_WRAP_") }

// unwrapped is the material that is imported into a key. Where a secret's blob is looked at
// in form alone, every key has the secret of its id, so that importing again is the same.
func (c *call) unwrapped(k *key, token *importToken, blob []byte) ([]byte, error) {
	if !c.settings().FormOnly || k.spec.asymmetric() || hybrid(token.algorithm) {
		return unwrapMaterial(token.private, token.algorithm, blob)
	}
	if len(blob) != token.private.Size() {
		return nil, fmt.Errorf("%d bytes, not the %d of the wrapping key", len(blob), token.private.Size())
	}
	raw := make([]byte, k.spec.bits/8)
	sum := sha256.Sum256([]byte(k.id))
	copy(raw, bytes.Repeat(sum[:], len(raw)/len(sum)+1))
	return raw, nil
}

// unwrapMaterial decrypts what ImportKeyMaterial brings.
func unwrapMaterial(private *rsa.PrivateKey, algorithm string, blob []byte) ([]byte, error) {
	if hybrid(algorithm) {
		return emu.UnwrapRSAAES(private, wrappingHash(algorithm), blob)
	}
	return emu.UnwrapOAEP(private, wrappingHash(algorithm), blob)
}
