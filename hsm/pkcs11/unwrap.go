package pkcs11

import (
	"crypto/aes"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is what some providers ask for
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// open is the far side of a wrap, as a provider performs it. The probe opens what
// a token wrapped of its throwaway keys; no key of anybody is ever opened here,
// for nobody here has the private half of a provider's wrapping key.
func open(host *rsa.PrivateKey, m broker.Mechanism, wrapped []byte) ([]byte, error) {
	h := sha256.New()
	if m.SHA1() {
		h = sha1.New() //nolint:gosec // as above
	}
	size := host.Size()
	if len(wrapped) < size || m.Direct() && len(wrapped) != size {
		return nil, fmt.Errorf("%d bytes came out", len(wrapped))
	}
	inner, err := rsa.DecryptOAEP(h, nil, host, wrapped[:size], nil)
	if err != nil {
		return nil, fmt.Errorf("it does not open with %s", m)
	}
	if m.Direct() {
		return inner, nil
	}
	if len(inner) != 32 {
		return nil, fmt.Errorf("the ephemeral key has %d bytes, not 32", len(inner))
	}
	return openKWP(inner, wrapped[size:])
}

// errNotKWP is all that unwrapping tells (RFC 5649 §4.2).
var errNotKWP = errors.New("the second part is not AES key wrap with padding (RFC 5649)")

// openKWP undoes AES key wrap with padding (RFC 5649 §4.2), for more than eight
// bytes: nothing that is wrapped here is shorter. The rounds are RFC 3394 §2.2.2.
func openKWP(kek, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/8 - 1
	if len(wrapped)%8 != 0 || n < 2 {
		return nil, errNotKWP
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	var b [aes.BlockSize]byte
	body := append([]byte(nil), wrapped[8:]...)
	copy(b[:8], wrapped)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			step := uint64(n*j + i) //nolint:gosec // positive
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^step)
			copy(b[8:], body[8*(i-1):])
			block.Decrypt(b[:], b[:])
			copy(body[8*(i-1):], b[8:])
		}
	}
	length := int(binary.BigEndian.Uint32(b[4:8]))
	if binary.BigEndian.Uint32(b[:4]) != 0xA65959A6 || length <= 8*(n-1) || length > 8*n {
		return nil, errNotKWP
	}
	if subtle.ConstantTimeCompare(body[length:], make([]byte, 8*n-length)) != 1 {
		return nil, errNotKWP
	}
	return body[:length], nil
}
