package gcpemu

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

// usualTag is the length of the tag of AES-GCM (RawDecryptRequest.tag_length).
const usualTag = 16

// nonceSize is the initialization vector of AES-GCM.
const nonceSize = 12

// rawEncrypt returns the initialization vector that it made, or was given.
func rawEncrypt(c *call, in *kmspb.RawEncryptRequest) (*kmspb.RawEncryptResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT)
	if err != nil {
		return nil, err
	}
	text, extra, iv := in.GetPlaintext(), in.GetAdditionalAuthenticatedData(), in.GetInitializationVector()
	out := &kmspb.RawEncryptResponse{Name: v.name, ProtectionLevel: v.key.level}
	var e1, e2, e3 error
	out.VerifiedPlaintextCrc32C, e1 = checksum("plaintext", text, in.GetPlaintextCrc32C())
	out.VerifiedAdditionalAuthenticatedDataCrc32C, e2 = checksum("additional_authenticated_data", extra, in.GetAdditionalAuthenticatedDataCrc32C())
	out.VerifiedInitializationVectorCrc32C, e3 = checksum("initialization_vector", iv, in.GetInitializationVectorCrc32C())
	if err := cmp.Or(e1, e2, e3, v.checkSize(mostHSM, text, extra), v.checkExtra(extra)); err != nil {
		return nil, err
	}
	if iv, err = c.vector(v, iv); err != nil {
		return nil, err
	}
	if out.Ciphertext, err = v.seal(iv, text, extra); err != nil {
		return nil, err
	}
	if v.algorithm.scheme == gcm {
		out.TagLength = usualTag
	}
	out.InitializationVector, out.InitializationVectorCrc32C, out.CiphertextCrc32C = iv, crc(iv), crc(out.GetCiphertext())
	return out, nil
}

// checkExtra: only AES-GCM authenticates further data.
func (v *version) checkExtra(extra []byte) error {
	if len(extra) > 0 && v.algorithm.scheme != gcm {
		return refuse(codes.InvalidArgument, "%s does not take additional_authenticated_data", v.algorithm.id)
	}
	return nil
}

// vector is the initialization vector of an encryption. The API's comments say that
// one is made for CBC and CTR where none is given; that GCM takes none of the
// client's they only imply. Leniently it does.
func (c *call) vector(v *version, iv []byte) ([]byte, error) {
	size := aes.BlockSize
	if v.algorithm.scheme == gcm {
		size = nonceSize
		if len(iv) > 0 && !c.lenient() {
			return nil, refuse(codes.InvalidArgument, "%s makes the initialization_vector itself", v.algorithm.id)
		}
	}
	if len(iv) == 0 {
		iv = make([]byte, size)
		_, _ = rand.Read(iv) // never fails (crypto/rand)
	}
	return iv, checkVector(iv, size)
}

func checkVector(iv []byte, size int) error {
	if len(iv) != size {
		return refuse(codes.InvalidArgument, "initialization_vector has %d bytes, not %d", len(iv), size)
	}
	return nil
}

func (v *version) seal(iv, text, extra []byte) ([]byte, error) {
	block, err := aes.NewCipher(v.material.secret)
	if err != nil {
		return nil, refuse(codes.Internal, "cipher: %v", err)
	}
	out := make([]byte, len(text))
	switch v.algorithm.scheme {
	case gcm:
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, refuse(codes.Internal, "cipher: %v", err)
		}
		return aead.Seal(nil, iv, text, extra), nil
	case cbc:
		if len(text)%aes.BlockSize != 0 {
			return nil, refuse(codes.InvalidArgument, "plaintext is not a multiple of %d bytes: %s does not pad", aes.BlockSize, v.algorithm.id)
		}
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, text)
	default:
		cipher.NewCTR(block, iv).XORKeyStream(out, text)
	}
	return out, nil
}

func rawDecrypt(c *call, in *kmspb.RawDecryptRequest) (*kmspb.RawDecryptResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT)
	if err != nil {
		return nil, err
	}
	sealed, extra, iv := in.GetCiphertext(), in.GetAdditionalAuthenticatedData(), in.GetInitializationVector()
	out := &kmspb.RawDecryptResponse{ProtectionLevel: v.key.level}
	var e1, e2, e3 error
	out.VerifiedCiphertextCrc32C, e1 = checksum("ciphertext", sealed, in.GetCiphertextCrc32C())
	out.VerifiedAdditionalAuthenticatedDataCrc32C, e2 = checksum("additional_authenticated_data", extra, in.GetAdditionalAuthenticatedDataCrc32C())
	out.VerifiedInitializationVectorCrc32C, e3 = checksum("initialization_vector", iv, in.GetInitializationVectorCrc32C())
	if err := cmp.Or(e1, e2, e3, v.checkExtra(extra)); err != nil {
		return nil, err
	}
	if out.Plaintext, err = v.open(iv, sealed, extra, int(in.GetTagLength())); err != nil {
		return nil, err
	}
	out.PlaintextCrc32C = crc(out.GetPlaintext())
	return out, nil
}

func (v *version) open(iv, sealed, extra []byte, tag int) ([]byte, error) {
	block, err := aes.NewCipher(v.material.secret)
	if err != nil {
		return nil, refuse(codes.Internal, "cipher: %v", err)
	}
	if v.algorithm.scheme == gcm {
		return openGCM(block, iv, sealed, extra, tag)
	}
	if tag != 0 {
		return nil, refuse(codes.InvalidArgument, "%s has no tag", v.algorithm.id)
	}
	if err := checkVector(iv, aes.BlockSize); err != nil {
		return nil, err
	}
	out := make([]byte, len(sealed))
	switch {
	case v.algorithm.scheme == ctr:
		cipher.NewCTR(block, iv).XORKeyStream(out, sealed)
	case len(sealed)%aes.BlockSize != 0:
		return nil, refuse(codes.InvalidArgument, "ciphertext is not a multiple of %d bytes", aes.BlockSize)
	default:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, sealed)
	}
	return out, nil
}

// openGCM: which lengths of tags Google takes beside the usual one is not said.
func openGCM(block cipher.Block, iv, sealed, extra []byte, tag int) ([]byte, error) {
	if tag != 0 && tag != usualTag {
		return nil, refuse(codes.InvalidArgument, "tag_length %d is not %d", tag, usualTag)
	}
	if err := checkVector(iv, nonceSize); err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, refuse(codes.Internal, "cipher: %v", err)
	}
	text, err := aead.Open(nil, iv, sealed, extra)
	if err != nil {
		return nil, refuse(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	}
	return text, nil
}
