package awsemu

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/keyferry/keyferry/localstack/emu"
)

// blobMark begins every symmetric ciphertext. The rest is the key's id, the
// material's id, a nonce and AES-GCM; AWS's own form is not published.
const blobMark = "awsemu\x00\x01"

const (
	keyIDSize      = 36
	materialIDSize = 64
	nonceSize      = 12
)

type encryptInput struct {
	KeyID               string            `json:"KeyId"`
	Plaintext           []byte            `json:"Plaintext"`
	EncryptionContext   map[string]string `json:"EncryptionContext"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm"`
}

type encryptOutput struct {
	KeyID               string `json:"KeyId"`
	CiphertextBlob      []byte `json:"CiphertextBlob"`
	EncryptionAlgorithm string `json:"EncryptionAlgorithm"`
}

const symmetricDefault = "SYMMETRIC_DEFAULT"

func encrypt(c *call, in encryptInput) (any, error) {
	algorithm, err := encryptionAlgorithm(in.EncryptionAlgorithm)
	if err := cmp.Or(err, checkLength("Plaintext", len(in.Plaintext), 1, 4096)); err != nil {
		return nil, err
	}
	k, err := c.crypto(in.KeyID, useEncrypt)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(k.takes(algorithm), checkContext(algorithm, in.EncryptionContext)); err != nil {
		return nil, err
	}
	m := k.current()
	var blob []byte
	if m.secret.pair != nil {
		blob, err = encryptRSA(m.secret.pair, algorithm, in.Plaintext)
	} else {
		blob, err = k.seal(m, in.Plaintext, in.EncryptionContext)
	}
	if err != nil {
		return nil, err
	}
	c.used(k)
	return encryptOutput{k.arn, blob, algorithm}, nil
}

func encryptionAlgorithm(name string) (string, error) {
	if name == "" {
		name = symmetricDefault
	}
	return name, checkEnum("EncryptionAlgorithm", name, symmetricDefault, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE")
}

func checkContext(algorithm string, context map[string]string) error {
	if algorithm != symmetricDefault && len(context) > 0 {
		return refuse(codeValidation, "EncryptionContext is for symmetric encryption keys only")
	}
	return nil
}

// takes refuses an algorithm that is not the key's.
func (k *key) takes(algorithm string) error {
	if _, names := k.spec.algorithms(k.usage); !slices.Contains(names, algorithm) {
		return refuse(codeInvalidUsage, "Algorithm %s is incompatible with key spec %s.", algorithm, k.spec.name)
	}
	return nil
}

func encryptRSA(pair *emu.Pair, algorithm string, plaintext []byte) ([]byte, error) {
	blob, err := pair.Encrypt(wrappingHash(algorithm), plaintext)
	if err != nil {
		return nil, refuse(codeValidation, "Algorithm %s and the key do not support the Plaintext length", algorithm)
	}
	return blob, nil
}

// seal encrypts under one material, bound to the key and the context.
func (k *key) seal(m *material, plaintext []byte, context map[string]string) ([]byte, error) {
	gcm, err := m.gcm(k.id)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	blob := slices.Concat([]byte(blobMark), []byte(k.id), []byte(m.id), nonce)
	return gcm.Seal(blob, nonce, plaintext, contextData(context)), nil
}

// gcm derives a cipher that is bound to the key: the same bytes in another key
// decrypt nothing of this one.
func (m *material) gcm(keyID string) (cipher.AEAD, error) {
	derived := sha256.Sum256(append([]byte("ciphertext key\x00"+keyID+"\x00"), m.secret.raw...))
	block, err := aes.NewCipher(derived[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// contextData is an encryption context in one fixed form: JSON sorts its members.
func contextData(context map[string]string) []byte {
	text, err := json.Marshal(context)
	if err != nil || len(context) == 0 {
		return nil
	}
	return text
}
