package azureemu

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// wrapIV is the initial value of AES key wrap (RFC 3394 §2.2.3.1).
const wrapIV = 0xA6A6A6A6A6A6A6A6

// keyWrap is AES key wrap, or its inverse (RFC 3394 §2.2).
func keyWrap(block cipher.Block, m message, wrap bool) (message, error) {
	if len(m.iv) != 0 {
		return message{}, refuse(codeBadParameter, "iv is not for AES key wrap")
	}
	if n := len(m.value); n%8 != 0 || n < 16 || !wrap && n < 24 {
		return message{}, refuse(codeBadParameter, "The property \"value\" is not of a length that AES key wrap takes")
	}
	if wrap {
		return message{value: wrapBlocks(block, m.value)}, nil
	}
	out, ok := unwrapBlocks(block, m.value)
	if !ok {
		return message{}, refuse(codeBadParameter, "The wrapped key does not unwrap")
	}
	return message{value: out}, nil
}

func wrapBlocks(block cipher.Block, plain []byte) []byte {
	r := append(binary.BigEndian.AppendUint64(nil, wrapIV), plain...)
	var b [16]byte
	step := uint64(0)
	for range 6 {
		for i := 8; i < len(r); i += 8 {
			step++
			copy(b[:], r[:8])
			copy(b[8:], r[i:i+8])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(r, binary.BigEndian.Uint64(b[:8])^step)
			copy(r[i:], b[8:])
		}
	}
	return r
}

func unwrapBlocks(block cipher.Block, wrapped []byte) ([]byte, bool) {
	r := bytes.Clone(wrapped)
	var b [16]byte
	step := 6 * (uint64(len(r))/8 - 1)
	for range 6 {
		for i := len(r) - 8; i >= 8; i -= 8 {
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(r)^step)
			copy(b[8:], r[i:i+8])
			step--
			block.Decrypt(b[:], b[:])
			copy(r, b[:8])
			copy(r[i:], b[8:])
		}
	}
	iv := binary.BigEndian.AppendUint64(nil, wrapIV)
	return r[8:], subtle.ConstantTimeCompare(r[:8], iv) == 1
}
