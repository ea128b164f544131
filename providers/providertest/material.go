package providertest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is one of the mechanisms, HMAC-SHA-1 one of the specs
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyferry/keyferry/broker"
)

// material is the token's side of a test.
type material struct {
	spec   broker.KeySpec
	raw    []byte // secret or PKCS#8
	public []byte // DER SubjectPublicKeyInfo of pairs
}

// shared makes key pairs that take long once for all checks of a run.
type shared struct {
	mu   sync.Mutex
	made map[broker.KeySpec]material
}

func (s *shared) material(spec broker.KeySpec) material {
	if spec.Class() != broker.ClassRSA {
		return make1(spec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.made[spec]
	if !ok {
		m = make1(spec)
		s.made[spec] = m
	}
	return m
}

// make1 makes new material of a spec; it panics where Go cannot, as tests may.
func make1(spec broker.KeySpec) material {
	if spec.Secret() {
		raw := make([]byte, spec.Bits()/8)
		rand.Read(raw)
		return material{spec: spec, raw: raw}
	}
	if spec == broker.Secp256k1 {
		return makeSecp256k1()
	}
	private := makePair(spec)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	must(err)
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	must(err)
	return material{spec: spec, raw: raw, public: public}
}

func makePair(spec broker.KeySpec) crypto.Signer {
	curves := map[broker.KeySpec]elliptic.Curve{broker.ECP256: elliptic.P256(), broker.ECP384: elliptic.P384(), broker.ECP521: elliptic.P521()}
	switch spec.Class() {
	case broker.ClassRSA:
		key, err := rsa.GenerateKey(rand.Reader, spec.Bits())
		must(err)
		return key
	case broker.ClassEdwards:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		return key
	default:
		key, err := ecdsa.GenerateKey(curves[spec], rand.Reader)
		must(err)
		return key
	}
}

// makeSecp256k1 writes PKCS#8 (RFC 5208) around an ECPrivateKey (RFC 5915), named
// curve, as OpenSSL does.
func makeSecp256k1() material {
	key, err := secp256k1.GeneratePrivateKey()
	must(err)
	point := key.PubKey().SerializeUncompressed()
	algorithm := pkix.AlgorithmIdentifier{
		Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1},
		Parameters: asn1.RawValue{FullBytes: marshal(asn1.ObjectIdentifier{1, 3, 132, 0, 10})},
	}
	inner := marshal(struct {
		Version int
		Private []byte
		Public  asn1.BitString `asn1:"explicit,tag:1"`
	}{1, key.Serialize(), asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	return material{
		spec: broker.Secp256k1,
		raw: marshal(struct {
			Version   int
			Algorithm pkix.AlgorithmIdentifier
			Private   []byte
		}{0, algorithm, inner}),
		public: marshal(struct {
			Algorithm pkix.AlgorithmIdentifier
			Public    asn1.BitString
		}{algorithm, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}}),
	}
}

func marshal(v any) []byte {
	der, err := asn1.Marshal(v)
	must(err)
	return der
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// hashOf a mechanism: for OAEP and its mask alike.
func hashOf(m broker.Mechanism) hash.Hash {
	if m.SHA1() {
		return sha1.New() //nolint:gosec // see the import
	}
	return sha256.New()
}

// wrap does what a token does, on the host: for tests.
func wrap(spki []byte, m broker.Mechanism, raw []byte) ([]byte, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("parse wrapping key: %w", err)
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("wrapping key is %T", parsed)
	}
	if m.Direct() {
		return rsa.EncryptOAEP(hashOf(m), rand.Reader, public, raw, nil)
	}
	kek := make([]byte, 32)
	rand.Read(kek)
	first, err := rsa.EncryptOAEP(hashOf(m), rand.Reader, public, kek, nil)
	if err != nil {
		return nil, fmt.Errorf("wrap ephemeral key: %w", err)
	}
	return append(first, kwp(kek, raw)...), nil
}

// kwp is AES key wrap with padding (RFC 5649 §4.1), of more than eight bytes.
func kwp(kek, raw []byte) []byte {
	block, err := aes.NewCipher(kek)
	must(err)
	n := (len(raw) + 7) / 8
	out := make([]byte, 8*(n+1))
	copy(out, []byte{0xa6, 0x59, 0x59, 0xa6})
	binary.BigEndian.PutUint32(out[4:], uint32(len(raw))) //nolint:gosec // private keys are short
	copy(out[8:], raw)
	var b [16]byte
	copy(b[:8], out[:8])
	for t := 1; t <= 6*n; t++ {
		r := out[8*((t-1)%n+1):][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t))
		copy(r, b[8:])
	}
	copy(out[:8], b[:8])
	return out
}

// encrypt is what a token answers: 12-byte nonce ‖ ciphertext ‖ 16-byte tag.
func (m material) encrypt(message []byte) []byte {
	block, err := aes.NewCipher(m.raw)
	must(err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	must(err)
	return gcm.Seal(nil, nil, message, nil) //nolint:gosec // it makes a random nonce itself
}

// answer is the token's answer to a challenge.
func (m material) answer(c broker.Challenge) broker.Answer {
	switch c.Level() {
	case broker.ProofPublicKey:
		return broker.Answer{PublicKey: m.public}
	case broker.ProofMAC:
		hashes := map[broker.KeySpec]func() hash.Hash{
			broker.HMACSHA1: sha1.New, broker.HMAC224: sha256.New224, broker.HMAC256: sha256.New,
			broker.HMAC384: sha512.New384, broker.HMAC512: sha512.New,
		}
		mac := hmac.New(hashes[m.spec], m.raw)
		mac.Write(c.Message())
		return broker.Answer{Scheme: broker.SchemeHMAC, Value: mac.Sum(nil)}
	case broker.ProofCipher:
		return broker.Answer{Scheme: broker.SchemeGCM, Value: m.encrypt(c.Message())}
	default:
		return broker.Answer{}
	}
}
