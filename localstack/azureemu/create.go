package azureemu

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/keyferry/keyferry/localstack/emu"
)

type createInput struct {
	Kty            string            `json:"kty"`
	KeySize        *int              `json:"key_size"`
	PublicExponent *int              `json:"public_exponent"`
	KeyOps         []string          `json:"key_ops"`
	Crv            string            `json:"crv"`
	Attributes     *attributesIn     `json:"attributes"`
	Tags           map[string]string `json:"tags"`
	ReleasePolicy  json.RawMessage   `json:"release_policy"`
}

// createKey makes a key, or a new version of one that is there.
func createKey(c *call, in createInput) (any, error) {
	v, err := in.version(c)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.free(), c.roomFor(), c.throttle(createGroup(c.vault, v.kty), 1)); err != nil {
		return nil, err
	}
	c.unlocked(func() { v.secret, err = c.generate(in) })
	if err != nil {
		return nil, err
	}
	if err := c.free(); err != nil {
		return nil, err
	}
	return c.bundle(c.add(v), v), nil
}

// version checks the request as far as the material does not matter.
func (in createInput) version(c *call) (*version, error) {
	v := &version{kty: in.Kty, ops: in.KeyOps, enabled: true, tags: in.Tags}
	if in.KeyOps == nil {
		v.ops = operationsOf(in.Kty)
	}
	return v, cmp.Or(
		c.checkType(in.Kty), in.checkSize(), checkOps(in.Kty, v.ops), in.Attributes.apply(v), checkTags(in.Tags), unmodelledPolicy(in.ReleasePolicy),
	)
}

// checkType refuses key types that the vault does not hold.
func (c *call) checkType(kty string) error {
	known := []string{ktyRSA, ktyRSAHSM, ktyEC, ktyECHSM, ktyOctHSM}
	switch {
	case !slices.Contains(known, kty):
		return refuse(codeKeyType, "Invalid kty value: %s", kty)
	case c.vault.Mode == HSM && !inHSM(kty):
		return refuse(codeKeyType, "Invalid kty value: %s. A Managed HSM holds HSM-protected keys only", kty)
	case c.vault.Mode == Standard && inHSM(kty):
		return refuse(codeBadParameter, "Hardware key operation not allowed on standard vault")
	case c.vault.Mode != HSM && kty == ktyOctHSM && !c.lenient():
		return refuse(codeKeyType, "Invalid kty value: %s", kty)
	}
	return nil
}

// checkSize holds size, curve and exponent against the key type.
func (in createInput) checkSize() error {
	sizes := map[string][]int{ktyRSA: {2048, 3072, 4096}, ktyOct: {128, 192, 256}}[baseType(in.Kty)]
	_, known := kindOf(in.Crv)
	switch {
	case baseType(in.Kty) == ktyEC && in.Crv != "" && !known:
		return refuse(codeBadParameter, "Invalid crv value: %s", in.Crv)
	case baseType(in.Kty) != ktyEC && in.Crv != "":
		return refuse(codeBadParameter, "crv is for elliptic curve keys only")
	case in.KeySize != nil && !slices.Contains(sizes, *in.KeySize):
		return refuse(codeBadParameter, "Invalid key_size value: %d", *in.KeySize)
	case in.PublicExponent != nil && (baseType(in.Kty) != ktyRSA || *in.PublicExponent != 65537):
		return refuse(codeBadParameter, "the emulator makes RSA keys of exponent 65537 only")
	}
	return nil
}

// generate makes the material. It is called without the server's lock.
func (c *call) generate(in createInput) (secret, error) {
	switch baseType(in.Kty) {
	case ktyRSA:
		private, err := c.s.pool.Take(in.size(2048))
		if err != nil {
			return secret{}, err
		}
		pair, err := emu.NewRSA(private)
		return secret{pair: pair}, err
	case ktyEC:
		kind, named := kindOf(in.Crv)
		if !named {
			kind = emu.P256
		}
		pair, err := emu.GeneratePair(emu.Shape{Kind: kind})
		return secret{pair: pair}, err
	default:
		return secret{raw: randomBytes(in.size(256) / 8)}, nil
	}
}

// size is the key's size in bits.
func (in createInput) size(standard int) int {
	if in.KeySize != nil {
		return *in.KeySize
	}
	return standard
}
