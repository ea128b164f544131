package emu

import (
	"bytes"
	"crypto/ecdsa"
)

// parseEC reads an ECPrivateKey (RFC 5915) on a named curve.
func parseEC(s Shape, info pkcs8) (*Pair, error) {
	oid, ok := info.parameters.next(tagOID)
	if !ok || len(info.parameters) != 0 {
		return nil, badMaterial("the curve is not named by an identifier alone")
	}
	kind, on, known := findCurve(oid)
	if !known || !s.takes(kind) {
		return nil, badMaterial("not a key on the curve of %s", s)
	}
	seq, ok := info.key.next(tagSequence)
	if !ok || len(info.key) != 0 || !seq.small(1) {
		return nil, badMaterial("not an ECPrivateKey")
	}
	scalar, ok := seq.next(tagOctetString)
	if size := (on.bits + 7) / 8; !ok || len(scalar) != size {
		return nil, badMaterial("a scalar of %d octets, not %d", len(scalar), size)
	}
	named, again, ok0 := seq.optional(tagContext0)
	public, given, ok1 := seq.optional(tagContext1)
	if !ok0 || !ok1 || len(seq) != 0 {
		return nil, badMaterial("malformed ECPrivateKey")
	}
	if inner, ok := named.next(tagOID); again && (!ok || len(named) != 0 || !bytes.Equal(inner, on.oid)) {
		return nil, badMaterial("the ECPrivateKey names another curve")
	}
	pair, err := newEC(kind, on, scalar)
	if err == nil && given && !pair.hasPoint(public) {
		return nil, badMaterial("the public key is not that of the private key")
	}
	return pair, err
}

func newEC(kind Kind, on curve, scalar []byte) (*Pair, error) {
	if on.nist == nil {
		return newKoblitz(scalar)
	}
	key, err := ecdsa.ParseRawPrivateKey(on.nist, scalar)
	if err != nil {
		return nil, badMaterial("a scalar out of range")
	}
	return newNIST(kind, key)
}

// hasPoint compares the BIT STRING [1] of an ECPrivateKey, compressed or not.
func (p *Pair) hasPoint(public der) bool {
	bits, ok := public.next(tagBitString)
	if !ok || len(public) != 0 || len(bits) < 2 || bits[0] != 0 {
		return false
	}
	point := p.point()
	if bits[1] == 4 {
		return bytes.Equal(bits[1:], point)
	}
	half := (len(point) - 1) / 2
	compressed := append([]byte{2 + point[len(point)-1]&1}, point[1:1+half]...)
	return bytes.Equal(bits[1:], compressed)
}

// point is the uncompressed public point (SEC 1 §2.3.3).
func (p *Pair) point() []byte {
	if p.koblitz != nil {
		return p.koblitz.PubKey().SerializeUncompressed()
	}
	public, err := p.ec.PublicKey.ECDH()
	if err != nil {
		return nil
	}
	return public.Bytes()
}
