package azureemu

import (
	"crypto"
	"slices"
	"strings"
)

type cryptoInput struct {
	Alg   string `json:"alg"`
	Value string `json:"value"`
	IV    string `json:"iv"`
	Tag   string `json:"tag"`
	AAD   string `json:"aad"`
}

// message is what goes into, or comes out of, encryption.
type message struct{ value, iv, tag, aad []byte }

func encrypt(c *call, in cryptoInput) (any, error)   { return c.transform(opEncrypt, in) }
func decrypt(c *call, in cryptoInput) (any, error)   { return c.transform(opDecrypt, in) }
func wrapKey(c *call, in cryptoInput) (any, error)   { return c.transform(opWrap, in) }
func unwrapKey(c *call, in cryptoInput) (any, error) { return c.transform(opUnwrap, in) }

// transform does one of the four.
func (c *call) transform(op string, in cryptoInput) (any, error) {
	k, v, err := c.crypto(op)
	if err != nil {
		return nil, err
	}
	m, err := in.message()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(v.algorithms(op), in.Alg) {
		return nil, refuse(codeBadParameter, "The algorithm %q is not supported by the key for %s. Supported values are %q.", in.Alg, op, v.algorithms(op))
	}
	var out message
	if v.secret.pair != nil {
		out, err = v.rsaTransform(op, in.Alg, m)
	} else {
		out, err = v.aesTransform(op, in.Alg, m)
	}
	if err != nil {
		return nil, err
	}
	return resultOut{c.kid(k.name, v.id), base64url(out.value), base64url(out.iv), base64url(out.tag), base64url(out.aad)}, nil
}

func (in cryptoInput) message() (m message, err error) {
	for _, f := range []struct {
		name, text string
		to         *[]byte
	}{{"value", in.Value, &m.value}, {"iv", in.IV, &m.iv}, {"tag", in.Tag, &m.tag}, {"aad", in.AAD, &m.aad}} {
		if *f.to, err = decodeBytes(f.name, f.text); err != nil {
			return message{}, err
		}
	}
	if len(m.value) == 0 {
		return message{}, refuse(codeBadParameter, "The property \"value\" is required")
	}
	return m, nil
}

// algorithms are those of the key for an operation (JsonWebKeyEncryptionAlgorithm;
// Managed HSM: supported algorithms), without RSA1_5, which is deprecated. An AES
// algorithm has the key's size.
func (v *version) algorithms(op string) []string {
	if baseType(v.kty) == ktyRSA {
		return []string{"RSA-OAEP", "RSA-OAEP-256"}
	}
	size := map[int]string{128: "A128", 192: "A192", 256: "A256"}[v.bits()]
	if op == opWrap || op == opUnwrap {
		return []string{size + "KW"}
	}
	return []string{size + "GCM", size + "CBC", size + "CBCPAD"}
}

// encrypts tells the two directions apart.
func encrypts(op string) bool { return op == opEncrypt || op == opWrap }

// rsaTransform is RSAES-OAEP (RFC 8017 §7.1).
func (v *version) rsaTransform(op, alg string, m message) (message, error) {
	if len(m.iv)+len(m.tag)+len(m.aad) != 0 {
		return message{}, refuse(codeBadParameter, "iv, tag and aad are not for %s", alg)
	}
	h := crypto.SHA1
	if strings.HasSuffix(alg, "256") {
		h = crypto.SHA256
	}
	do := v.secret.pair.Decrypt
	if encrypts(op) {
		do = v.secret.pair.Encrypt
	}
	out, err := do(h, m.value)
	if err != nil {
		return message{}, refuse(codeBadParameter, "%s with %s: %v", op, alg, err)
	}
	return message{value: out}, nil
}
