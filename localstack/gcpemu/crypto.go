package gcpemu

import (
	"slices"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

func cryptoActions() []action {
	return []action{
		on("GetPublicKey", "cloudkms.cryptoKeyVersions.viewPublicKey", reads, getPublicKey, "name", "public_key_format"),
		on("AsymmetricSign", "cloudkms.cryptoKeyVersions.useToSign", "", asymmetricSign,
			"name", "digest.*", "digest_crc32c.*", "data", "data_crc32c.*"),
		on("AsymmetricDecrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", "", asymmetricDecrypt, "name", "ciphertext", "ciphertext_crc32c.*"),
		on("MacSign", "cloudkms.cryptoKeyVersions.useToSign", "", macSign, "name", "data", "data_crc32c.*"),
		on("MacVerify", "cloudkms.cryptoKeyVersions.useToVerify", "", macVerify, "name", "data", "data_crc32c.*", "mac", "mac_crc32c.*"),
		on("Encrypt", "cloudkms.cryptoKeyVersions.useToEncrypt", "", encrypt,
			"name", "plaintext", "plaintext_crc32c.*", "additional_authenticated_data", "additional_authenticated_data_crc32c.*"),
		on("Decrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", "", decrypt,
			"name", "ciphertext", "ciphertext_crc32c.*", "additional_authenticated_data", "additional_authenticated_data_crc32c.*"),
		on("RawEncrypt", "cloudkms.cryptoKeyVersions.useToEncrypt", "", rawEncrypt,
			"name", "plaintext", "plaintext_crc32c.*", "additional_authenticated_data", "additional_authenticated_data_crc32c.*",
			"initialization_vector", "initialization_vector_crc32c.*"),
		on("RawDecrypt", "cloudkms.cryptoKeyVersions.useToDecrypt", "", rawDecrypt,
			"name", "ciphertext", "ciphertext_crc32c.*", "additional_authenticated_data", "additional_authenticated_data_crc32c.*",
			"initialization_vector", "initialization_vector_crc32c.*", "tag_length"),
	}
}

// use finds the version of a cryptographic operation, takes the operation from its
// quota and refuses another purpose or state.
func (c *call) use(name string, purposes ...purpose) (*version, error) {
	v, err := c.findVersion(name)
	if err != nil {
		return nil, err
	}
	return v, c.ready(v, purposes...)
}

func (c *call) ready(v *version, purposes ...purpose) error {
	if err := c.take(v.key.group(), v.name); err != nil {
		return err
	}
	if slices.Contains(purposes, v.key.purpose) {
		return v.usable()
	}
	return refuse(codes.InvalidArgument, "%s has purpose %s, which is not for %s", v.key.name, v.key.purpose, c.rpc)
}

// group is the quota of cryptographic operations with a key.
func (k *key) group() group {
	if k.level == kmspb.ProtectionLevel_HSM {
		return hsm
	}
	return software
}

// Most bytes of an operation's input (EncryptRequest and others).
const (
	mostSoftware = 64 << 10
	mostHSM      = 8 << 10
)

// checkSize holds the inputs of an operation against what the version's protection
// level takes: each on its own in software, their sum in an HSM.
func (v *version) checkSize(hsmMost int, inputs ...[]byte) error {
	sum := 0
	for _, in := range inputs {
		sum += len(in)
		if len(in) > mostSoftware {
			return refuse(codes.InvalidArgument, "%d bytes, more than the %d of one field", len(in), mostSoftware)
		}
	}
	if v.key.level == kmspb.ProtectionLevel_HSM && sum > hsmMost {
		return refuse(codes.InvalidArgument, "%d bytes, more than the %d of an HSM key", sum, hsmMost)
	}
	return nil
}

func getPublicKey(c *call, in *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	v, err := c.findVersion(in.GetName())
	if err != nil {
		return nil, err
	}
	if !v.algorithm.asymmetric() {
		return nil, refuse(codes.InvalidArgument, "%s has no public key: its purpose is %s", v.name, v.key.purpose)
	}
	if err := v.usable(); err != nil {
		return nil, err
	}
	out := &kmspb.PublicKey{
		Name: v.name, Algorithm: v.algorithm.id, ProtectionLevel: v.key.level, PublicKeyFormat: in.GetPublicKeyFormat(),
	}
	return out, show(out, v.material.pair.SPKI())
}

// show puts a public key into an answer, in the format that the answer says.
func show(out *kmspb.PublicKey, spki []byte) error {
	text := []byte(publicPEM(spki))
	switch out.GetPublicKeyFormat() {
	case kmspb.PublicKey_PUBLIC_KEY_FORMAT_UNSPECIFIED:
		out.Pem, out.PemCrc32C = string(text), crc(text)
	case kmspb.PublicKey_PEM:
		out.PublicKey = &kmspb.ChecksummedData{Data: text, Crc32CChecksum: crc(text)}
	case kmspb.PublicKey_DER:
		out.PublicKey = &kmspb.ChecksummedData{Data: spki, Crc32CChecksum: crc(spki)}
	default:
		return refuse(codes.InvalidArgument, "public_key_format %s is not for %s", out.GetPublicKeyFormat(), out.GetAlgorithm())
	}
	return nil
}
