package emu

import (
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"
)

// ParsePair reads a private key from PKCS#8 and nothing else (RFC 5208, DER): no
// bytes that follow at any level, no explicit curve, nothing that is inconsistent.
// Its error is [ErrMaterial].
func ParsePair(s Shape, raw []byte) (*Pair, error) {
	info, err := parsePKCS8(raw)
	if err != nil {
		return nil, err
	}
	_, elliptic := curves()[s.Kind]
	switch {
	case info.is(oidRSA) && s.takes(RSA):
		return parseRSA(s, info)
	case info.is(oidEC) && (elliptic || s.Kind == Any):
		return parseEC(s, info)
	case info.is(oidEd) && s.takes(Ed25519):
		return parseEd(info)
	}
	return nil, badMaterial("the private key is not of the algorithm of %s", s)
}

// parseRSA reads an RSAPrivateKey (RFC 8017 A.1.2).
func parseRSA(s Shape, info pkcs8) (*Pair, error) {
	null, ok := info.parameters.next(tagNull)
	if !ok || len(null) != 0 || len(info.parameters) != 0 {
		return nil, badMaterial("rsaEncryption without NULL parameters")
	}
	seq, ok := info.key.next(tagSequence)
	if !ok || len(info.key) != 0 || !seq.small(0) {
		return nil, badMaterial("not an RSAPrivateKey with two primes")
	}
	var n [8]*big.Int // n e d p q dp dq qi
	for i := range n {
		if n[i], ok = seq.integer(); !ok {
			return nil, badMaterial("malformed RSAPrivateKey")
		}
	}
	if len(seq) != 0 {
		return nil, badMaterial("bytes follow the RSAPrivateKey")
	}
	if bits := n[0].BitLen(); s.Bits != 0 && bits != s.Bits {
		return nil, badMaterial("a modulus of %d bits, not %d", bits, s.Bits)
	}
	return newRSA(n)
}

func newRSA(n [8]*big.Int) (*Pair, error) {
	if !n[1].IsInt64() || n[1].BitLen() > 31 {
		return nil, badMaterial("an RSA exponent of more than 31 bits")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n[0], E: int(n[1].Int64())},
		D:         n[2], Primes: []*big.Int{n[3], n[4]},
	}
	if err := key.Validate(); err != nil {
		return nil, badMaterial("an inconsistent RSA key")
	}
	key.Precompute()
	pre := key.Precomputed
	if pre.Dp.Cmp(n[5]) != 0 || pre.Dq.Cmp(n[6]) != 0 || pre.Qinv.Cmp(n[7]) != 0 {
		return nil, badMaterial("inconsistent CRT values of an RSA key")
	}
	return NewRSA(key)
}

// parseEd reads a CurvePrivateKey (RFC 8410 §7).
func parseEd(info pkcs8) (*Pair, error) {
	seed, ok := info.key.next(tagOctetString)
	if !ok || len(info.key) != 0 || len(info.parameters) != 0 || len(seed) != ed25519.SeedSize {
		return nil, badMaterial("malformed Ed25519 key")
	}
	return newEd(ed25519.NewKeyFromSeed(seed))
}
