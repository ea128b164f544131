package emu

import (
	"crypto/sha256"
	"encoding/hex"
)

// HexSum is the SHA-256 of bytes in hex.
func HexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
