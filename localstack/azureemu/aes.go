package azureemu

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"strings"
)

// aesTransform is AES in the mode of an algorithm (RFC 7518 §5.3, §4.4; CBC as in
// NIST SP 800-38A, with or without PKCS #7 padding).
func (v *version) aesTransform(op, alg string, m message) (message, error) {
	block, err := aes.NewCipher(v.secret.raw)
	if err != nil {
		return message{}, err
	}
	mode := strings.TrimLeft(alg, "A0123456789")
	switch {
	case mode == "GCM" && encrypts(op):
		return sealGCM(block, m)
	case mode == "GCM":
		return openGCM(block, m)
	case len(m.tag)+len(m.aad) != 0:
		return message{}, refuse(codeBadParameter, "tag and aad are not for %s", alg)
	case mode == "KW":
		return keyWrap(block, m, encrypts(op))
	case len(m.iv) != aes.BlockSize:
		return message{}, refuse(codeBadParameter, "The property \"iv\" must be %d bytes for %s", aes.BlockSize, alg)
	case encrypts(op):
		return sealCBC(block, m, mode == "CBCPAD")
	default:
		return openCBC(block, m, mode == "CBCPAD")
	}
}

// sealGCM chooses the nonce itself, as an HSM does.
func sealGCM(block cipher.Block, m message) (message, error) {
	if len(m.iv)+len(m.tag) != 0 {
		return message{}, refuse(codeBadParameter, "iv and tag are the service's to make")
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return message{}, err
	}
	iv := randomBytes(gcm.NonceSize())
	sealed := gcm.Seal(nil, iv, m.value, m.aad)
	n := len(m.value)
	return message{sealed[:n], iv, sealed[n:], m.aad}, nil
}

func openGCM(block cipher.Block, m message) (message, error) {
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return message{}, err
	}
	if len(m.iv) != gcm.NonceSize() || len(m.tag) != gcm.Overhead() {
		return message{}, refuse(codeBadParameter, "iv must be %d bytes, and tag %d", gcm.NonceSize(), gcm.Overhead())
	}
	plain, err := gcm.Open(nil, m.iv, append(bytes.Clone(m.value), m.tag...), m.aad)
	if err != nil {
		return message{}, refuse(codeBadParameter, "The ciphertext does not authenticate")
	}
	return message{value: plain}, nil
}

func sealCBC(block cipher.Block, m message, padded bool) (message, error) {
	plain := bytes.Clone(m.value)
	if padded {
		n := aes.BlockSize - len(plain)%aes.BlockSize
		plain = append(plain, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	if len(plain)%aes.BlockSize != 0 {
		return message{}, refuse(codeBadParameter, "The property \"value\" is not whole blocks")
	}
	cipher.NewCBCEncrypter(block, m.iv).CryptBlocks(plain, plain)
	return message{value: plain, iv: m.iv}, nil
}

func openCBC(block cipher.Block, m message, padded bool) (message, error) {
	if len(m.value)%aes.BlockSize != 0 {
		return message{}, refuse(codeBadParameter, "The property \"value\" is not whole blocks")
	}
	plain := bytes.Clone(m.value)
	cipher.NewCBCDecrypter(block, m.iv).CryptBlocks(plain, plain)
	if !padded {
		return message{value: plain}, nil
	}
	n := int(plain[len(plain)-1])
	if n < 1 || n > aes.BlockSize || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(n)}, n)) {
		return message{}, refuse(codeBadParameter, "The ciphertext does not unpad")
	}
	return message{value: plain[:len(plain)-n]}, nil
}
