package awsemu

import (
	"crypto/rand"

	"github.com/keyferry/keyferry/localstack/emu"
)

// generate gives a key of origin AWS_KMS its material.
func (c *call) generate(k *key) error {
	m := &material{state: stateCurrent, imports: 0}
	var err error
	c.unlocked(func() { m.secret, err = newSecret(k.spec) })
	if err != nil {
		return err
	}
	m.identity = m.secret.identity()
	m.id = materialID(k.id, m.identity)
	k.materials = []*material{m}
	return nil
}

func newSecret(spec keySpec) (*secret, error) {
	if !spec.asymmetric() {
		raw := make([]byte, spec.bits/8)
		_, _ = rand.Read(raw) // never fails (crypto/rand)
		return &secret{raw: raw}, nil
	}
	p, err := emu.GeneratePair(spec.pair)
	return &secret{pair: p}, err
}
