package emu

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// kwpICV is the fixed half of the alternative initial value (RFC 5649 §3).
const kwpICV = 0xA65959A6

// UnwrapKWP undoes AES key wrap with padding (RFC 5649 §4.2) and checks all of
// its integrity value: constant, length and zero padding. Its error is [ErrUnwrap].
func UnwrapKWP(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, ErrUnwrap
	}
	n := len(wrapped)/8 - 1
	if len(wrapped)%8 != 0 || n < 1 {
		return nil, ErrUnwrap
	}
	buf := append([]byte(nil), wrapped...)
	if n == 1 {
		block.Decrypt(buf, buf)
	} else {
		step := 6 * uint64(n)
		for range 6 {
			for i := n; i >= 1; i-- {
				var in [16]byte
				a := binary.BigEndian.Uint64(buf[:8]) ^ step
				step--
				binary.BigEndian.PutUint64(in[:8], a)
				copy(in[8:], buf[8*i:8*i+8])
				block.Decrypt(in[:], in[:])
				copy(buf[:8], in[:8])
				copy(buf[8*i:], in[8:])
			}
		}
	}
	return stripKWP(buf[:8], buf[8:])
}

func stripKWP(aiv, padded []byte) ([]byte, error) {
	size := uint64(binary.BigEndian.Uint32(aiv[4:]))
	total := uint64(len(padded))
	if binary.BigEndian.Uint32(aiv) != kwpICV || size > total || size+8 <= total {
		return nil, ErrUnwrap
	}
	if subtle.ConstantTimeCompare(padded[size:], make([]byte, total-size)) != 1 {
		return nil, ErrUnwrap
	}
	return padded[:size], nil
}
