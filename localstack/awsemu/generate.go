package awsemu

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// generate gives a key of origin AWS_KMS its material.
func (c *call) generate(k *key) error {
	m := &material{state: stateCurrent, imports: 0}
	var err error
	c.unlocked(func() { m.secret, err = newSecret(k.spec) })
	if err != nil {
		return err
	}
	identity := sha256.Sum256(m.secret.raw)
	if m.secret.pair != nil {
		identity = sha256.Sum256(m.secret.pair.spki)
	}
	m.identity, m.id = hex.EncodeToString(identity[:]), materialID(k.id, identity[:])
	k.materials = []*material{m}
	return nil
}

func newSecret(spec keySpec) (*secret, error) {
	if !spec.asymmetric() {
		raw := make([]byte, spec.bits/8)
		_, _ = rand.Read(raw) // never fails (crypto/rand)
		return &secret{raw: raw}, nil
	}
	p, err := newPair(spec)
	return &secret{pair: p}, err
}

func newPair(spec keySpec) (*pair, error) {
	switch {
	case spec.class == classRSA:
		key, err := rsa.GenerateKey(rand.Reader, spec.bits)
		if err != nil {
			return nil, err
		}
		return rsaPair(key)
	case spec.class == classEd:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return edPair(key)
	case spec.curve == nil:
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return nil, err
		}
		return newKoblitz(key.Serialize())
	default:
		key, err := ecdsa.GenerateKey(spec.curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		return ecPair(key)
	}
}
