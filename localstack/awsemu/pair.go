package awsemu

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// pair is a private key. spki is its public half, DER SubjectPublicKeyInfo.
type pair struct {
	spki    []byte
	rsa     *rsa.PrivateKey
	ec      *ecdsa.PrivateKey     // NIST curves
	koblitz *secp256k1.PrivateKey // secp256k1
	ed      ed25519.PrivateKey
}

// secp256k1SPKI precedes the 65 octets of an uncompressed point: id-ecPublicKey
// with the named curve 1.3.132.0.10 (SEC 2, RFC 5480).
var secp256k1SPKI = []byte{
	0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
}

// parsePair reads the private key that a spec asks for.
func parsePair(spec keySpec, raw []byte) (*pair, error) {
	info, err := parsePKCS8(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case spec.class == classRSA && info.is(oidRSA):
		return parseRSA(spec, info)
	case spec.class == classEC && info.is(oidEC):
		return parseEC(spec, info)
	case spec.class == classEd && info.is(oidEd):
		return parseEd(info)
	}
	return nil, badMaterial("the private key is not of the algorithm of %s", spec.name)
}

func parseRSA(spec keySpec, info pkcs8) (*pair, error) {
	null, ok := info.parameters.next(tagNull)
	if !ok || len(null) != 0 || len(info.parameters) != 0 {
		return nil, badMaterial("rsaEncryption without NULL parameters")
	}
	seq, ok := info.key.next(tagSequence)
	if !ok || len(info.key) != 0 || !seq.small(0) {
		return nil, badMaterial("not an RSAPrivateKey with two primes")
	}
	var n [8]*big.Int // n e d p q dp dq qi (RFC 8017 A.1.2)
	for i := range n {
		if n[i], ok = seq.integer(); !ok {
			return nil, badMaterial("malformed RSAPrivateKey")
		}
	}
	if len(seq) != 0 {
		return nil, badMaterial("bytes follow the RSAPrivateKey")
	}
	if n[0].BitLen() != spec.bits {
		return nil, badMaterial("a modulus of %d bits, not %d", n[0].BitLen(), spec.bits)
	}
	return newRSA(n)
}

func newRSA(n [8]*big.Int) (*pair, error) {
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
	return rsaPair(key)
}

func rsaPair(key *rsa.PrivateKey) (*pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, badMaterial("an RSA key without a public half")
	}
	return &pair{spki: spki, rsa: key}, nil
}

// parseEC reads an ECPrivateKey (RFC 5915) on the named curve of the spec.
func parseEC(spec keySpec, info pkcs8) (*pair, error) {
	curve, ok := info.parameters.next(tagOID)
	if !ok || len(info.parameters) != 0 {
		return nil, badMaterial("the curve is not named by an identifier alone")
	}
	if !bytes.Equal(curve, spec.oid) {
		return nil, badMaterial("not a key on the curve of %s", spec.name)
	}
	seq, ok := info.key.next(tagSequence)
	if !ok || len(info.key) != 0 || !seq.small(1) {
		return nil, badMaterial("not an ECPrivateKey")
	}
	scalar, ok := seq.next(tagOctetString)
	if size := (spec.bits + 7) / 8; !ok || len(scalar) != size {
		return nil, badMaterial("a scalar of %d octets, not %d", len(scalar), size)
	}
	named, again, ok0 := seq.optional(tagContext0)
	public, given, ok1 := seq.optional(tagContext1)
	if !ok0 || !ok1 || len(seq) != 0 {
		return nil, badMaterial("malformed ECPrivateKey")
	}
	if inner, ok := named.next(tagOID); again && (!ok || len(named) != 0 || !bytes.Equal(inner, spec.oid)) {
		return nil, badMaterial("the ECPrivateKey names another curve")
	}
	key, err := newEC(spec, scalar)
	if err == nil && given && !key.hasPoint(public) {
		return nil, badMaterial("the public key is not that of the private key")
	}
	return key, err
}

func newEC(spec keySpec, scalar []byte) (*pair, error) {
	if spec.curve == nil {
		return newKoblitz(scalar)
	}
	key, err := ecdsa.ParseRawPrivateKey(spec.curve, scalar)
	if err != nil {
		return nil, badMaterial("a scalar out of range")
	}
	return ecPair(key)
}

func ecPair(key *ecdsa.PrivateKey) (*pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, badMaterial("an EC key without a public half")
	}
	return &pair{spki: spki, ec: key}, nil
}

func newKoblitz(scalar []byte) (*pair, error) {
	var d secp256k1.ModNScalar
	if overflow := d.SetByteSlice(scalar); overflow || d.IsZero() {
		return nil, badMaterial("a scalar out of range")
	}
	key := secp256k1.NewPrivateKey(&d)
	point := key.PubKey().SerializeUncompressed()
	return &pair{spki: append(bytes.Clone(secp256k1SPKI), point...), koblitz: key}, nil
}

// hasPoint compares the BIT STRING [1] of an ECPrivateKey, compressed or not.
func (p *pair) hasPoint(public der) bool {
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
func (p *pair) point() []byte {
	if p.koblitz != nil {
		return p.koblitz.PubKey().SerializeUncompressed()
	}
	public, err := p.ec.PublicKey.ECDH()
	if err != nil {
		return nil
	}
	return public.Bytes()
}

// parseEd reads a CurvePrivateKey (RFC 8410 §7).
func parseEd(info pkcs8) (*pair, error) {
	seed, ok := info.key.next(tagOctetString)
	if !ok || len(info.key) != 0 || len(info.parameters) != 0 || len(seed) != ed25519.SeedSize {
		return nil, badMaterial("malformed Ed25519 key")
	}
	return edPair(ed25519.NewKeyFromSeed(seed))
}

func edPair(key ed25519.PrivateKey) (*pair, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, badMaterial("an Ed25519 key without a public half")
	}
	return &pair{spki: spki, ed: key}, nil
}

// agree derives the shared secret with a peer on the same curve (SP 800-56A
// §5.7.1.2: the x-coordinate).
func (p *pair) agree(peer *ecdh.PublicKey) ([]byte, error) {
	own, err := p.ec.ECDH()
	if err != nil {
		return nil, err
	}
	return own.ECDH(peer)
}
