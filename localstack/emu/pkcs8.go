package emu

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrMaterial is that unwrapped material is not what it should be.
var ErrMaterial = errors.New("key material does not meet expectations")

func badMaterial(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMaterial, fmt.Sprintf(format, args...))
}

// Object identifiers, as content octets.
var (
	oidRSA = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01} // RFC 8017 rsaEncryption
	oidEC  = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}             // RFC 5480 id-ecPublicKey
	oidEd  = []byte{0x2b, 0x65, 0x70}                                     // RFC 8410 id-Ed25519
)

// pkcs8 is an unencrypted private key (RFC 5208 PrivateKeyInfo).
type pkcs8 struct {
	algorithm  []byte
	parameters der // all that follows the algorithm's identifier
	key        der
}

// parsePKCS8 is strict: DER, version 0, nothing that follows, at any level.
func parsePKCS8(raw []byte) (pkcs8, error) {
	d := der(raw)
	info, ok := d.next(tagSequence)
	if !ok {
		return pkcs8{}, badMaterial("not a PKCS#8 PrivateKeyInfo in DER")
	}
	if len(d) != 0 {
		return pkcs8{}, badMaterial("%d bytes follow the PKCS#8 structure", len(d))
	}
	if !info.small(0) {
		return pkcs8{}, badMaterial("not a PKCS#8 PrivateKeyInfo of version 0")
	}
	algorithm, ok := info.next(tagSequence)
	if !ok {
		return pkcs8{}, badMaterial("not PKCS#8: no algorithm")
	}
	oid, okOID := algorithm.next(tagOID)
	key, okKey := info.next(tagOctetString)
	_, _, okAttributes := info.optional(tagContext0)
	if !okOID || !okKey || !okAttributes || len(info) != 0 {
		return pkcs8{}, badMaterial("malformed PKCS#8 PrivateKeyInfo")
	}
	return pkcs8{algorithm: oid, parameters: algorithm, key: key}, nil
}

func (p pkcs8) is(oid []byte) bool { return bytes.Equal(p.algorithm, oid) }
