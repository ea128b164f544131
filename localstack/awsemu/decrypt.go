package awsemu

import (
	"cmp"
	"strings"
)

type decryptInput struct {
	KeyID               string            `json:"KeyId"`
	CiphertextBlob      []byte            `json:"CiphertextBlob"`
	EncryptionContext   map[string]string `json:"EncryptionContext"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm"`
}

type decryptOutput struct {
	KeyID               string `json:"KeyId"`
	Plaintext           []byte `json:"Plaintext"`
	EncryptionAlgorithm string `json:"EncryptionAlgorithm"`
	KeyMaterialID       string `json:"KeyMaterialId,omitempty"`
}

func decrypt(c *call, in decryptInput) (any, error) {
	algorithm, err := encryptionAlgorithm(in.EncryptionAlgorithm)
	if err := cmp.Or(err, checkLength("CiphertextBlob", len(in.CiphertextBlob), 1, 6144), checkContext(algorithm, in.EncryptionContext)); err != nil {
		return nil, err
	}
	if algorithm == symmetricDefault {
		return c.decryptSymmetric(in)
	}
	if in.KeyID == "" {
		return nil, refuse(codeValidation, "KeyId is required with %s", algorithm)
	}
	k, err := c.crypto(in.KeyID, useEncrypt)
	if err == nil {
		err = k.takes(algorithm)
	}
	if err != nil {
		return nil, err
	}
	plaintext, err := k.current().secret.pair.Decrypt(wrappingHash(algorithm), in.CiphertextBlob)
	if err != nil {
		return nil, refuse(codeInvalidCipher, "the ciphertext does not decrypt under %s", k.arn)
	}
	c.used(k)
	return decryptOutput{KeyID: k.arn, Plaintext: plaintext, EncryptionAlgorithm: algorithm}, nil
}

// decryptSymmetric finds key and material in the ciphertext. A key named besides
// must be that one.
func (c *call) decryptSymmetric(in decryptInput) (any, error) {
	rest, ok := strings.CutPrefix(string(in.CiphertextBlob), blobMark)
	if !ok || len(rest) < keyIDSize+materialIDSize+nonceSize {
		return nil, refuse(codeInvalidCipher, "the ciphertext is none of this service")
	}
	keyID, rest := rest[:keyIDSize], rest[keyIDSize:]
	if in.KeyID != "" {
		named, err := c.aliased(in.KeyID)
		if err != nil {
			return nil, err
		}
		if named.id != keyID {
			return nil, refuse(codeIncorrectKey, "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	k, err := c.crypto(keyID, useEncrypt)
	if err != nil {
		return nil, err
	}
	m := k.find(func(m *material) bool { return m.id == rest[:materialIDSize] })
	if m == nil || !m.present() {
		return nil, refuse(codeInvalidCipher, "the ciphertext is of no material of %s", k.arn)
	}
	gcm, err := m.gcm(k.id)
	if err != nil {
		return nil, err
	}
	sealed := rest[materialIDSize:]
	plaintext, err := gcm.Open(nil, []byte(sealed[:nonceSize]), []byte(sealed[nonceSize:]), contextData(in.EncryptionContext))
	if err != nil {
		return nil, refuse(codeInvalidCipher, "the ciphertext, or its encryption context, is not right")
	}
	c.used(k)
	return decryptOutput{KeyID: k.arn, Plaintext: plaintext, EncryptionAlgorithm: symmetricDefault, KeyMaterialID: m.id}, nil
}
