package gcpemu

import (
	"crypto"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Short names of the API's enumerations.
type (
	algorithmID  = kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm
	versionState = kmspb.CryptoKeyVersion_CryptoKeyVersionState
	purpose      = kmspb.CryptoKey_CryptoKeyPurpose
)

// scheme tells algorithms of the same purpose apart.
type scheme int

const (
	plain scheme = iota // ECDSA, EdDSA, HMAC, OAEP, Google's own symmetric encryption
	pss
	pkcs1
	raw // PKCS #1 v1.5 without DigestInfo
	gcm
	cbc
	ctr
)

// algorithm is one CryptoKeyVersionAlgorithm: for whom it is, and what material it
// takes (Google: Formatting keys for import).
type algorithm struct {
	id      algorithmID
	purpose purpose
	shape   emu.Shape   // of pairs
	size    int         // of secrets, in bytes; 0 for pairs
	hash    crypto.Hash // of digests, OAEP, MACs; 0 takes data itself
	scheme  scheme
}

func (a algorithm) asymmetric() bool { return a.size == 0 }

// findAlgorithm finds what the emulator models: all that take imported material.
func findAlgorithm(id algorithmID) (algorithm, bool) {
	for _, table := range [][]algorithm{secrets, signers, decrypters} {
		for _, a := range table {
			if a.id == id {
				return a, true
			}
		}
	}
	return algorithm{}, false
}

var secrets = []algorithm{
	{id: kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT, size: 32},

	{id: kmspb.CryptoKeyVersion_AES_128_GCM, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 16, scheme: gcm},
	{id: kmspb.CryptoKeyVersion_AES_256_GCM, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 32, scheme: gcm},
	{id: kmspb.CryptoKeyVersion_AES_128_CBC, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 16, scheme: cbc},
	{id: kmspb.CryptoKeyVersion_AES_256_CBC, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 32, scheme: cbc},
	{id: kmspb.CryptoKeyVersion_AES_128_CTR, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 16, scheme: ctr},
	{id: kmspb.CryptoKeyVersion_AES_256_CTR, purpose: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, size: 32, scheme: ctr},

	{id: kmspb.CryptoKeyVersion_HMAC_SHA1, purpose: kmspb.CryptoKey_MAC, size: 20, hash: crypto.SHA1},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA224, purpose: kmspb.CryptoKey_MAC, size: 28, hash: crypto.SHA224},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA256, purpose: kmspb.CryptoKey_MAC, size: 32, hash: crypto.SHA256},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA384, purpose: kmspb.CryptoKey_MAC, size: 48, hash: crypto.SHA384},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA512, purpose: kmspb.CryptoKey_MAC, size: 64, hash: crypto.SHA512},
}

var signers = []algorithm{
	signer(kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, emu.Shape{Kind: emu.P256}, crypto.SHA256, plain),
	signer(kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, emu.Shape{Kind: emu.P384}, crypto.SHA384, plain),
	signer(kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256, emu.Shape{Kind: emu.Secp256k1}, crypto.SHA256, plain),
	signer(kmspb.CryptoKeyVersion_EC_SIGN_ED25519, emu.Shape{Kind: emu.Ed25519}, 0, plain),

	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, rsaOf(2048), crypto.SHA256, pss),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_3072_SHA256, rsaOf(3072), crypto.SHA256, pss),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA256, rsaOf(4096), crypto.SHA256, pss),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA512, rsaOf(4096), crypto.SHA512, pss),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256, rsaOf(2048), crypto.SHA256, pkcs1),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256, rsaOf(3072), crypto.SHA256, pkcs1),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA256, rsaOf(4096), crypto.SHA256, pkcs1),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA512, rsaOf(4096), crypto.SHA512, pkcs1),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_2048, rsaOf(2048), 0, raw),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_3072, rsaOf(3072), 0, raw),
	signer(kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_4096, rsaOf(4096), 0, raw),
}

var decrypters = []algorithm{
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA256, 2048, crypto.SHA256),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA256, 3072, crypto.SHA256),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA256, 4096, crypto.SHA256),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA512, 4096, crypto.SHA512),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA1, 2048, crypto.SHA1),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA1, 3072, crypto.SHA1),
	decrypter(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA1, 4096, crypto.SHA1),
}

func rsaOf(bits int) emu.Shape { return emu.Shape{Kind: emu.RSA, Bits: bits} }

func signer(id algorithmID, shape emu.Shape, h crypto.Hash, s scheme) algorithm {
	return algorithm{id: id, purpose: kmspb.CryptoKey_ASYMMETRIC_SIGN, shape: shape, hash: h, scheme: s}
}

func decrypter(id algorithmID, bits int, h crypto.Hash) algorithm {
	return algorithm{id: id, purpose: kmspb.CryptoKey_ASYMMETRIC_DECRYPT, shape: rsaOf(bits), hash: h}
}
