package gcpemu

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

// magic begins the emulator's ciphertexts. Google does not publish the form of its own.
const magic = "keyferry emulator\x00"

// encryptor is the version that a name of a key or of a version means.
func (c *call) encryptor(name string) (*version, error) {
	if _, ok := match(keyShape, name); !ok {
		return c.findVersion(name)
	}
	k, err := c.findKey("name", name)
	if err != nil {
		return nil, err
	}
	switch {
	case k.purpose != kmspb.CryptoKey_ENCRYPT_DECRYPT:
		return nil, refuse(codes.InvalidArgument, "%s has purpose %s, which is not for %s", k.name, k.purpose, c.rpc)
	case k.primary == nil:
		return nil, refuse(codes.FailedPrecondition, "%s has no primary version.", k.name)
	}
	return k.primary, nil
}

func encrypt(c *call, in *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	v, err := c.encryptor(in.GetName())
	if err != nil {
		return nil, err
	}
	if err := c.ready(v, kmspb.CryptoKey_ENCRYPT_DECRYPT); err != nil {
		return nil, err
	}
	text, extra := in.GetPlaintext(), in.GetAdditionalAuthenticatedData()
	out := &kmspb.EncryptResponse{Name: v.name, ProtectionLevel: v.key.level}
	if out.VerifiedPlaintextCrc32C, err = checksum("plaintext", text, in.GetPlaintextCrc32C()); err != nil {
		return nil, err
	}
	out.VerifiedAdditionalAuthenticatedDataCrc32C, err = checksum("additional_authenticated_data", extra, in.GetAdditionalAuthenticatedDataCrc32C())
	if err := cmp.Or(err, v.checkSize(mostHSM, text, extra)); err != nil {
		return nil, err
	}
	aead, err := v.material.aead()
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte(magic), uint32(v.number())) //nolint:gosec // no key has that many
	out.Ciphertext = aead.Seal(head, nil, text, bind(v, extra))              //nolint:gosec // it makes the nonce itself
	out.CiphertextCrc32C = crc(out.GetCiphertext())
	return out, nil
}

// decrypt finds the version in the ciphertext.
func decrypt(c *call, in *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	k, err := c.findKey("name", in.GetName())
	if err != nil {
		return nil, err
	}
	extra := in.GetAdditionalAuthenticatedData()
	_, err = checksum("ciphertext", in.GetCiphertext(), in.GetCiphertextCrc32C())
	_, err2 := checksum("additional_authenticated_data", extra, in.GetAdditionalAuthenticatedDataCrc32C())
	if err := cmp.Or(err, err2); err != nil {
		return nil, err
	}
	bad := refuse(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	v, sealed := k.encrypted(in.GetCiphertext())
	if v == nil {
		return nil, bad
	}
	if err := c.ready(v, kmspb.CryptoKey_ENCRYPT_DECRYPT); err != nil {
		return nil, err
	}
	aead, err := v.material.aead()
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, nil, sealed, bind(v, extra))
	if err != nil {
		return nil, bad
	}
	return &kmspb.DecryptResponse{Plaintext: text, PlaintextCrc32C: crc(text), UsedPrimary: v == k.primary, ProtectionLevel: v.key.level}, nil
}

// encrypted takes a ciphertext apart; nil if no version of the key made it.
func (k *key) encrypted(ciphertext []byte) (*version, []byte) {
	if len(ciphertext) < len(magic)+4 || string(ciphertext[:len(magic)]) != magic {
		return nil, nil
	}
	n := int64(binary.BigEndian.Uint32(ciphertext[len(magic):]))
	if n < 1 || n > int64(len(k.versions)) {
		return nil, nil
	}
	return k.versions[n-1], ciphertext[len(magic)+4:]
}

// bind ties a ciphertext to its version.
func bind(v *version, extra []byte) []byte { return append([]byte(v.name+"\x00"), extra...) }

// aead is AES-GCM with a random nonce in front.
func (m *material) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(m.secret)
	if err != nil {
		return nil, refuse(codes.Internal, "cipher: %v", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, refuse(codes.Internal, "cipher: %v", err)
	}
	return aead, nil
}
