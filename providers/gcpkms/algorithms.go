package gcpkms

import (
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// algorithmID is Google's word for what a version computes.
type algorithmID = kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm

// algorithm is one of Google's in the broker's words, and how it is proven.
type algorithm struct {
	id      algorithmID
	spec    broker.KeySpec
	purpose broker.Purpose
	scheme  broker.Scheme
	hash    crypto.Hash // of the digest that is signed; 0 the message itself
}

// algorithms that take imported material ("Formatting keys for import"), those that a
// spec and purpose get by themselves first.
var algorithms = []algorithm{
	{id: kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, spec: broker.AES256, purpose: broker.Encrypt},
	{id: kmspb.CryptoKeyVersion_AES_128_GCM, spec: broker.AES128, purpose: broker.RawEncrypt, scheme: broker.SchemeGCM},
	{id: kmspb.CryptoKeyVersion_AES_256_GCM, spec: broker.AES256, purpose: broker.RawEncrypt, scheme: broker.SchemeGCM},

	{id: kmspb.CryptoKeyVersion_HMAC_SHA1, spec: broker.HMACSHA1, purpose: broker.MAC, scheme: broker.SchemeHMAC},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA224, spec: broker.HMAC224, purpose: broker.MAC, scheme: broker.SchemeHMAC},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA256, spec: broker.HMAC256, purpose: broker.MAC, scheme: broker.SchemeHMAC},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA384, spec: broker.HMAC384, purpose: broker.MAC, scheme: broker.SchemeHMAC},
	{id: kmspb.CryptoKeyVersion_HMAC_SHA512, spec: broker.HMAC512, purpose: broker.MAC, scheme: broker.SchemeHMAC},

	signing(kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, broker.ECP256, broker.SchemeECDSA256, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, broker.ECP384, broker.SchemeECDSA384, crypto.SHA384),
	signing(kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256, broker.Secp256k1, broker.SchemeECDSA256, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_EC_SIGN_ED25519, broker.Ed25519, broker.SchemeEd25519, 0),

	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, broker.RSA2048, broker.SchemePSS, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_3072_SHA256, broker.RSA3072, broker.SchemePSS, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA256, broker.RSA4096, broker.SchemePSS, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA512, broker.RSA4096, broker.SchemePSS512, crypto.SHA512),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256, broker.RSA2048, broker.SchemePKCS1, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256, broker.RSA3072, broker.SchemePKCS1, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA256, broker.RSA4096, broker.SchemePKCS1, crypto.SHA256),
	signing(kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA512, broker.RSA4096, broker.SchemePKCS1512, crypto.SHA512),

	decrypting(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA256, broker.RSA2048),
	decrypting(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA256, broker.RSA3072),
	decrypting(kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA256, broker.RSA4096),
}

func signing(id algorithmID, spec broker.KeySpec, scheme broker.Scheme, hash crypto.Hash) algorithm {
	return algorithm{id: id, spec: spec, purpose: broker.Sign, scheme: scheme, hash: hash}
}

func decrypting(id algorithmID, spec broker.KeySpec) algorithm {
	return algorithm{id: id, spec: spec, purpose: broker.Decrypt, scheme: broker.SchemeDecrypted}
}

// unprovable are algorithms that Google imports for, and why they are not used here.
var unprovable = map[string]string{
	"AES_128_CBC":                  "a token encrypts what shall be proven by AES-GCM",
	"AES_256_CBC":                  "a token encrypts what shall be proven by AES-GCM",
	"AES_128_CTR":                  "a token encrypts what shall be proven by AES-GCM",
	"AES_256_CTR":                  "a token encrypts what shall be proven by AES-GCM",
	"RSA_SIGN_RAW_PKCS1_2048":      "it signs whatever it is given, so a proof would be no different from a forgery",
	"RSA_SIGN_RAW_PKCS1_3072":      "it signs whatever it is given, so a proof would be no different from a forgery",
	"RSA_SIGN_RAW_PKCS1_4096":      "it signs whatever it is given, so a proof would be no different from a forgery",
	"RSA_DECRYPT_OAEP_4096_SHA512": "what shall be proven is encrypted by OAEP with SHA-256",
	"RSA_DECRYPT_OAEP_2048_SHA1":   "what shall be proven is encrypted by OAEP with SHA-256",
	"RSA_DECRYPT_OAEP_3072_SHA1":   "what shall be proven is encrypted by OAEP with SHA-256",
	"RSA_DECRYPT_OAEP_4096_SHA1":   "what shall be proven is encrypted by OAEP with SHA-256",
}

// algorithmFor is the one that a key of the spec and purpose gets: the one asked for
// by Google's word, or the usual one. It errs with words where there is none.
func algorithmFor(spec broker.KeySpec, purpose broker.Purpose, word string) (algorithm, error) {
	for _, a := range algorithms {
		if a.spec == spec && a.purpose == purpose && (word == "" || a.id.String() == word) {
			return a, nil
		}
	}
	switch {
	case word == "":
		return algorithm{}, fmt.Errorf("there is no algorithm for %s for %s at Google Cloud KMS", spec, purpose)
	case unprovable[word] != "":
		return algorithm{}, fmt.Errorf("algorithm %s is not used: %s", word, unprovable[word])
	default:
		return algorithm{}, fmt.Errorf("algorithm %q is not for %s for %s, but %s", plain(word), spec, purpose, strings.Join(algorithmWords(spec, purpose), ", "))
	}
}

// algorithmWords are Google's words for what a key of a spec and purpose may compute,
// the usual one first.
func algorithmWords(spec broker.KeySpec, purpose broker.Purpose) []string {
	var words []string
	for _, a := range algorithms {
		if a.spec == spec && a.purpose == purpose {
			words = append(words, a.id.String())
		}
	}
	return words
}

// algorithmOf is the one of an id; false for one that the broker has no words for.
func algorithmOf(id algorithmID) (algorithm, bool) {
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.id == id })
	if i < 0 {
		return algorithm{}, false
	}
	return algorithms[i], true
}

// purposeWords are the broker's purposes in Google's words.
var purposeWords = map[broker.Purpose]kmspb.CryptoKey_CryptoKeyPurpose{
	broker.Encrypt:    kmspb.CryptoKey_ENCRYPT_DECRYPT,
	broker.RawEncrypt: kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT,
	broker.MAC:        kmspb.CryptoKey_MAC,
	broker.Sign:       kmspb.CryptoKey_ASYMMETRIC_SIGN,
	broker.Decrypt:    kmspb.CryptoKey_ASYMMETRIC_DECRYPT,
}

// purposeOf is the reverse; "" for one that the broker has no word for.
func purposeOf(word kmspb.CryptoKey_CryptoKeyPurpose) broker.Purpose {
	for p := range maps.Keys(purposeWords) {
		if purposeWords[p] == word {
			return p
		}
	}
	return ""
}
