package emu

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
)

// Kind is the algorithm of a pair, with its curve.
type Kind int

// The kinds.
const (
	Any Kind = iota // in a [Shape]: whatever the material says
	RSA
	P256
	P384
	P521
	Secp256k1
	Ed25519
)

// Shape is what a pair has to be.
type Shape struct {
	Kind Kind
	Bits int // of an RSA modulus; 0 any
}

// String is how a refusal calls it.
func (s Shape) String() string {
	switch {
	case s.Kind == Any:
		return "any kind"
	case s.Kind == RSA && s.Bits != 0:
		return fmt.Sprintf("RSA with %d bits", s.Bits)
	case s.Kind == RSA:
		return "RSA"
	case s.Kind == Ed25519:
		return "Ed25519"
	}
	return curves()[s.Kind].name
}

// takes says whether a shape that was found is one that was asked for.
func (s Shape) takes(found Kind) bool { return s.Kind == Any || s.Kind == found }

// curve is a named curve.
type curve struct {
	name string
	oid  []byte // content octets
	bits int
	nist elliptic.Curve // nil: secp256k1
}

// curves are those of RFC 5480 and SEC 2 §A.2.1.
func curves() map[Kind]curve {
	return map[Kind]curve{
		P256:      {"P-256", []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 256, elliptic.P256()},
		P384:      {"P-384", []byte{0x2b, 0x81, 0x04, 0x00, 0x22}, 384, elliptic.P384()},
		P521:      {"P-521", []byte{0x2b, 0x81, 0x04, 0x00, 0x23}, 521, elliptic.P521()},
		Secp256k1: {"secp256k1", []byte{0x2b, 0x81, 0x04, 0x00, 0x0a}, 256, nil},
	}
}

// findCurve is the curve that an identifier names.
func findCurve(oid []byte) (Kind, curve, bool) {
	for kind, c := range curves() {
		if bytes.Equal(c.oid, oid) {
			return kind, c, true
		}
	}
	return Any, curve{}, false
}
