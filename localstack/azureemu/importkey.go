package azureemu

import (
	"cmp"
	"crypto"
	"encoding/json"

	"github.com/keyferry/keyferry/localstack/emu"
)

type importInput struct {
	Hsm           *bool             `json:"Hsm"`
	Key           *jwkIn            `json:"key"`
	Attributes    *attributesIn     `json:"attributes"`
	Tags          map[string]string `json:"tags"`
	ReleasePolicy json.RawMessage   `json:"release_policy"`
}

// importKey imports a plain JSON Web Key, or a key transfer blob in key_hsm.
func importKey(c *call, in importInput) (any, error) {
	v, err := in.version(c)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.free(), c.roomFor(), c.throttle(createGroup(c.vault, v.kty), 1)); err != nil {
		return nil, err
	}
	raw, kek, err := in.Key.material(c, v.kty)
	if err != nil {
		return nil, err
	}
	if v.secret, err = in.Key.parse(v.kty, raw); err != nil {
		return nil, err
	}
	v.sha256 = shaOf(raw)
	if kek != nil {
		kek.unwrapped++
	}
	return c.bundle(c.add(v), v), nil
}

// version checks the request as far as the material does not matter.
func (in importInput) version(c *call) (*version, error) {
	if in.Key == nil {
		return nil, refuse(codeBadParameter, "The property \"key\" is required")
	}
	kty, err := in.keyType()
	v := &version{kty: kty, imported: true, ops: in.Key.KeyOps, enabled: true, tags: in.Tags}
	if err != nil {
		return nil, err
	}
	if in.Key.KeyOps == nil {
		if in.Key.KeyHSM != "" && !c.lenient() {
			return nil, refuse(codeBadParameter, "The property \"key_ops\" is required with \"key_hsm\"")
		}
		v.ops = operationsOf(kty)
	}
	if v.isKEK() {
		return nil, refuse(codeBadParameter, "A key with the operation import is created, not imported")
	}
	return v, cmp.Or(
		c.checkType(kty), checkOps(kty, v.ops), in.Key.check(kty), in.Attributes.apply(v), checkTags(in.Tags), unmodelledPolicy(in.ReleasePolicy),
	)
}

// keyType is the type that the key and the flag say together.
func (in importInput) keyType() (string, error) {
	kty := in.Key.Kty
	switch {
	case in.Hsm == nil, *in.Hsm == inHSM(kty):
		return kty, nil
	case *in.Hsm && in.Key.KeyHSM == "" && (kty == ktyRSA || kty == ktyEC):
		return kty + "-HSM", nil
	default:
		return "", refuse(codeBadParameter, "The property \"Hsm\" is %t, but kty is %s", *in.Hsm, kty)
	}
}

// jwkIn is a JSON Web Key as it comes.
type jwkIn struct {
	Kty    string   `json:"kty"`
	KeyOps []string `json:"key_ops"`
	Crv    string   `json:"crv"`
	KeyHSM string   `json:"key_hsm"`
	KID    string   `json:"kid"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	D      string   `json:"d"`
	P      string   `json:"p"`
	Q      string   `json:"q"`
	DP     string   `json:"dp"`
	DQ     string   `json:"dq"`
	QI     string   `json:"qi"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	K      string   `json:"k"`
}

// check refuses members that do not go together.
func (in *jwkIn) check(kty string) error {
	_, known := kindOf(in.Crv)
	switch {
	case baseType(kty) == ktyEC && !known:
		return refuse(codeBadParameter, "Invalid crv value: %q", in.Crv)
	case baseType(kty) != ktyEC && in.Crv != "":
		return refuse(codeBadParameter, "crv is for elliptic curve keys only")
	case in.KeyHSM != "" && in.N+in.E+in.D+in.P+in.Q+in.DP+in.DQ+in.QI+in.X+in.Y+in.K != "":
		return refuse(codeBadParameter, "The property \"key_hsm\" excludes the key's own values")
	case in.KeyHSM == "" && kty == ktyOctHSM:
		return refuse(codeBadParameter, "the emulator takes symmetric keys in key_hsm only")
	}
	return nil
}

// material is PKCS#8 of a pair, or the bytes of a symmetric key; and the KEK that it
// came under, if it did.
func (in *jwkIn) material(c *call, kty string) ([]byte, *version, error) {
	if in.KeyHSM == "" {
		raw, err := in.pkcs8()
		return raw, nil, err
	}
	if kty == ktyOctHSM && c.vault.Mode != HSM {
		return nil, nil, refuse(codeKeyType, "Invalid kty value: %s. Symmetric keys are imported into a Managed HSM only", kty)
	}
	text, ok := decodeEither(in.KeyHSM)
	if !ok {
		return nil, nil, badBlob("it is not base64")
	}
	b, err := parseBlob(text, c.lenient())
	if err != nil {
		return nil, nil, err
	}
	kek, err := c.kek(b)
	if err != nil {
		return nil, nil, err
	}
	raw, err := emu.UnwrapRSAAES(kek.secret.pair.RSA(), crypto.SHA1, b.ciphertext)
	if err != nil {
		return nil, nil, badBlob("%v", err)
	}
	return raw, kek, nil
}

// parse reads material as what the key type says.
func (in *jwkIn) parse(kty string, raw []byte) (secret, error) {
	shape := emu.Shape{Kind: emu.RSA}
	switch baseType(kty) {
	case ktyOct:
		if n := 8 * len(raw); n != 128 && n != 192 && n != 256 {
			return secret{}, refuse(codeBadParameter, "A symmetric key of %d bits is not supported", n)
		}
		return secret{raw: raw}, nil
	case ktyEC:
		shape.Kind, _ = kindOf(in.Crv)
	}
	pair, err := emu.ParsePair(shape, raw)
	if err != nil {
		return secret{}, refuse(codeBadParameter, "%s key is not valid: %v", baseType(kty), err)
	}
	if n := pair.Shape().Bits; shape.Kind == emu.RSA && n != 2048 && n != 3072 && n != 4096 {
		return secret{}, refuse(codeBadParameter, "An RSA key of %d bits is not supported", n)
	}
	return secret{pair: pair}, nil
}
