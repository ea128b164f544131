package gcpemu

import (
	"crypto/rand"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu"
)

// createVersion generates material, which import_only keys refuse.
func createVersion(c *call, in *kmspb.CreateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	k, err := c.findKey("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	if s := in.GetCryptoKeyVersion().GetState(); s != kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_STATE_UNSPECIFIED && s != enabled {
		return nil, refuse(codes.InvalidArgument, "a new version cannot be %s", s)
	}
	if k.importOnly {
		return nil, refuse(codes.FailedPrecondition, "%s is import_only: it takes imported versions only", k.name)
	}
	v, err := c.generate(k)
	if err != nil {
		return nil, err
	}
	v.name = k.next() // another may have been made meanwhile
	k.versions = append(k.versions, v)
	return c.versionProto(v, full), nil
}

// generate makes a version of Google's own material, not yet among the key's.
func (c *call) generate(k *key) (*version, error) {
	a, _ := findAlgorithm(k.algorithm) // the template was checked
	var m *material
	var err error
	c.unlocked(func() { m, err = c.s.random(a) })
	if err != nil {
		return nil, refuse(codes.Internal, "generate: %v", err)
	}
	return &version{name: k.next(), key: k, created: c.now, generated: c.now, algorithm: a, state: enabled, material: m}, nil
}

// random is new material.
func (s *Server) random(a algorithm) (*material, error) {
	if !a.asymmetric() {
		secret := make([]byte, a.size)
		_, _ = rand.Read(secret) // never fails (crypto/rand)
		m, _ := newMaterial(a, secret)
		return m, nil
	}
	pair, err := s.randomPair(a.shape)
	if err != nil {
		return nil, err
	}
	return &material{pair: pair, identity: pair.Identity(), public: pair.Identity()}, nil
}

// randomPair takes RSA keys, which are slow to make, from the pool.
func (s *Server) randomPair(shape emu.Shape) (*emu.Pair, error) {
	if shape.Kind != emu.RSA {
		return emu.GeneratePair(shape)
	}
	key, err := s.pool.Take(shape.Bits)
	if err != nil {
		return nil, err
	}
	return emu.NewRSA(key)
}
