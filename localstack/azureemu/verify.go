package azureemu

import (
	"crypto"
	"encoding/asn1"
	"math/big"
)

type verifyInput struct {
	Alg    string `json:"alg"`
	Digest string `json:"digest"`
	Value  string `json:"value"`
}

type verifyOut struct {
	Value bool `json:"value"`
}

// verify answers whether a signature over a digest is the key's.
func verify(c *call, in verifyInput) (any, error) {
	_, v, err := c.crypto(opVerify)
	if err != nil {
		return nil, err
	}
	digest, h, err := v.digest(in.Alg, in.Digest)
	if err != nil {
		return nil, err
	}
	signature, err := decodeBytes("value", in.Value)
	if err != nil {
		return nil, err
	}
	return verifyOut{v.verify(in.Alg, h, digest, signature)}, nil
}

func (v *version) verify(alg string, h crypto.Hash, digest, signature []byte) bool {
	if baseType(v.kty) == ktyEC {
		size := fieldSize(v.crv())
		if len(signature) != 2*size {
			return false
		}
		var err error
		signature, err = asn1.Marshal(struct{ R, S *big.Int }{
			new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]),
		})
		if err != nil {
			return false
		}
	}
	return v.secret.pair.Verify(digest, signature, signerOptions(alg, h))
}
