package emu

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // clouds wrap with OAEP under SHA-1 still
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
)

// ErrUnwrap is that wrapped material does not decrypt under the wrapping key.
var ErrUnwrap = errors.New("the wrapped key material does not decrypt under the wrapping key")

// ephemeralSize is that of the AES key in front of what RSA-AES key wrap wraps.
const ephemeralSize = 32

// UnwrapOAEP decrypts one block of RSAES-OAEP (RFC 8017 §7.1) with this hash for
// OAEP and its MGF1 alike, and no label. Its error is [ErrUnwrap].
func UnwrapOAEP(key *rsa.PrivateKey, h crypto.Hash, blob []byte) ([]byte, error) {
	if len(blob) != key.Size() {
		return nil, ErrUnwrap
	}
	material, err := rsa.DecryptOAEP(h.New(), nil, key, blob, nil)
	if err != nil {
		return nil, ErrUnwrap
	}
	return material, nil
}

// UnwrapRSAAES undoes CKM_RSA_AES_KEY_WRAP (PKCS #11 3.1 §6.1.22): one block of OAEP
// with an AES-256 key, then AES key wrap with padding under that. Its error is
// [ErrUnwrap].
func UnwrapRSAAES(key *rsa.PrivateKey, h crypto.Hash, blob []byte) ([]byte, error) {
	size := key.Size()
	if len(blob) < size {
		return nil, ErrUnwrap
	}
	ephemeral, err := UnwrapOAEP(key, h, blob[:size])
	if err != nil || len(ephemeral) != ephemeralSize {
		return nil, ErrUnwrap
	}
	return UnwrapKWP(ephemeral, blob[size:])
}
