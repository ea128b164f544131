package awsemu

import (
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RSAES_OAEP_SHA_1 is one of the API's algorithms
	"crypto/sha256"
	"errors"
	"hash"
	"strings"
)

var errUnwrap = errors.New("the encrypted key material does not decrypt under the wrapping key")

// wrappingBits are the RSA wrapping key specs; SM2 exists in China only.
func wrappingBits(spec string) int {
	return map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
}

// wrappingHash is the hash of a wrapping algorithm, for OAEP and its MGF1 alike.
func wrappingHash(algorithm string) func() hash.Hash {
	if strings.HasSuffix(algorithm, "_SHA_1") {
		return sha1.New
	}
	return sha256.New
}

// hybrid tells RSA_AES_KEY_WRAP_* from RSAES_OAEP_*.
func hybrid(algorithm string) bool { return strings.HasPrefix(algorithm, "RSA_AES_KEY_WRAP_") }

// unwrapMaterial decrypts what ImportKeyMaterial brings: one OAEP block, or one
// of an AES-256 key followed by AES key wrap with padding under that.
func unwrapMaterial(private *rsa.PrivateKey, algorithm string, blob []byte) ([]byte, error) {
	size := private.Size()
	if len(blob) < size || !hybrid(algorithm) && len(blob) != size {
		return nil, errUnwrap
	}
	first, err := rsa.DecryptOAEP(wrappingHash(algorithm)(), nil, private, blob[:size], nil)
	if err != nil {
		return nil, errUnwrap
	}
	if !hybrid(algorithm) {
		return first, nil
	}
	if len(first) != 32 {
		return nil, errUnwrap
	}
	material, err := unwrapKWP(first, blob[size:])
	if err != nil {
		return nil, errUnwrap
	}
	return material, nil
}
