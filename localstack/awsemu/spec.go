package awsemu

import (
	"crypto"

	"github.com/keyferry/keyferry/localstack/emu"
)

// class is the kind of material of a spec.
type class int

const (
	classSymmetric class = iota
	classMAC
	classRSA
	classEC
	classEd
)

// Key usages.
const (
	useEncrypt = "ENCRYPT_DECRYPT"
	useSign    = "SIGN_VERIFY"
	useMAC     = "GENERATE_VERIFY_MAC"
	useAgree   = "KEY_AGREEMENT"
)

// keySpec is one KeySpec of the API and what it allows.
type keySpec struct {
	name   string
	class  class
	bits   int         // of the secret
	pair   emu.Shape   // of what is no secret
	hash   crypto.Hash // HMAC; or what ECDSA signs
	usages []string
}

// keySpecs are those that imported material can have, Ed25519 leniently. The
// others of the enum are in unmodelledSpecs.
func keySpecs() []keySpec {
	rsaUses, ecUses := []string{useEncrypt, useSign}, []string{useSign, useAgree}
	return []keySpec{
		{name: "SYMMETRIC_DEFAULT", class: classSymmetric, bits: 256, usages: []string{useEncrypt}},
		{name: "HMAC_224", class: classMAC, bits: 224, hash: crypto.SHA224, usages: []string{useMAC}},
		{name: "HMAC_256", class: classMAC, bits: 256, hash: crypto.SHA256, usages: []string{useMAC}},
		{name: "HMAC_384", class: classMAC, bits: 384, hash: crypto.SHA384, usages: []string{useMAC}},
		{name: "HMAC_512", class: classMAC, bits: 512, hash: crypto.SHA512, usages: []string{useMAC}},
		{name: "RSA_2048", class: classRSA, pair: emu.Shape{Kind: emu.RSA, Bits: 2048}, usages: rsaUses},
		{name: "RSA_3072", class: classRSA, pair: emu.Shape{Kind: emu.RSA, Bits: 3072}, usages: rsaUses},
		{name: "RSA_4096", class: classRSA, pair: emu.Shape{Kind: emu.RSA, Bits: 4096}, usages: rsaUses},
		{name: "ECC_NIST_P256", class: classEC, pair: emu.Shape{Kind: emu.P256}, hash: crypto.SHA256, usages: ecUses},
		{name: "ECC_NIST_P384", class: classEC, pair: emu.Shape{Kind: emu.P384}, hash: crypto.SHA384, usages: ecUses},
		{name: "ECC_NIST_P521", class: classEC, pair: emu.Shape{Kind: emu.P521}, hash: crypto.SHA512, usages: ecUses},
		{name: "ECC_SECG_P256K1", class: classEC, pair: emu.Shape{Kind: emu.Secp256k1}, hash: crypto.SHA256, usages: []string{useSign}},
		{name: "ECC_NIST_EDWARDS25519", class: classEd, pair: emu.Shape{Kind: emu.Ed25519}, usages: []string{useSign}},
	}
}

// unmodelledSpecs are in AWS's enum; none of them takes imported material
// outside the China partition.
func unmodelledSpecs() []string {
	return []string{"ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024", "SM2"}
}

func findSpec(name string) (keySpec, bool) {
	for _, s := range keySpecs() {
		if s.name == name {
			return s, true
		}
	}
	return keySpec{}, false
}

// asymmetric tells pairs from secrets.
func (s keySpec) asymmetric() bool { return s.class >= classRSA }

// algorithms are those of DescribeKey, under the member's name.
func (s keySpec) algorithms(usage string) (member string, names []string) {
	switch {
	case s.class == classSymmetric:
		return "EncryptionAlgorithms", []string{"SYMMETRIC_DEFAULT"}
	case s.class == classMAC:
		return "MacAlgorithms", []string{"HMAC_SHA_" + s.name[len("HMAC_"):]}
	case usage == useEncrypt:
		return "EncryptionAlgorithms", []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}
	case usage == useAgree:
		return "KeyAgreementAlgorithms", []string{"ECDH"}
	case s.class == classRSA:
		return "SigningAlgorithms", []string{
			"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
			"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
		}
	case s.class == classEd:
		return "SigningAlgorithms", []string{"ED25519_SHA_512"}
	}
	return "SigningAlgorithms", []string{map[crypto.Hash]string{
		crypto.SHA256: "ECDSA_SHA_256", crypto.SHA384: "ECDSA_SHA_384", crypto.SHA512: "ECDSA_SHA_512",
	}[s.hash]}
}
