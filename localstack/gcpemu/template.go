package gcpemu

import (
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

// templateAlgorithm is the algorithm of a new key's template, which must fit its
// purpose.
func templateAlgorithm(k *kmspb.CryptoKey) (algorithm, error) {
	id := k.GetVersionTemplate().GetAlgorithm()
	switch k.GetPurpose() {
	case kmspb.CryptoKey_CRYPTO_KEY_PURPOSE_UNSPECIFIED:
		return algorithm{}, refuse(codes.InvalidArgument, "crypto_key.purpose is required")
	case kmspb.CryptoKey_ENCRYPT_DECRYPT:
		if id == kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED {
			id = kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION
		}
	case kmspb.CryptoKey_ASYMMETRIC_SIGN, kmspb.CryptoKey_ASYMMETRIC_DECRYPT, kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, kmspb.CryptoKey_MAC:
	default:
		return algorithm{}, refuse(codes.Unimplemented, "the emulator does not model the purpose %s", k.GetPurpose())
	}
	return fitting("crypto_key.version_template.algorithm", id, k.GetPurpose())
}

// fitting finds an algorithm that a key of this purpose can have.
func fitting(field string, id algorithmID, p purpose) (algorithm, error) {
	if id == kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED {
		return algorithm{}, refuse(codes.InvalidArgument, "%s is required", field)
	}
	a, ok := findAlgorithm(id)
	switch {
	case !ok:
		return algorithm{}, refuse(codes.Unimplemented, "the emulator does not model the algorithm %s", id)
	case a.purpose != p:
		return algorithm{}, refuse(codes.InvalidArgument, "%s: %s is not for purpose %s", field, id, p)
	}
	return a, nil
}

// level checks a protection level at the location of a ring. UNSPECIFIED is
// SOFTWARE in templates.
func (c *call) level(field string, l kmspb.ProtectionLevel, ring string) (kmspb.ProtectionLevel, error) {
	id, err := parse("parent", ringShape, ring)
	if err != nil {
		return l, err
	}
	at, err := c.location(id.location())
	switch {
	case err != nil:
		return l, err
	case l == kmspb.ProtectionLevel_PROTECTION_LEVEL_UNSPECIFIED, l == kmspb.ProtectionLevel_SOFTWARE:
		return kmspb.ProtectionLevel_SOFTWARE, nil
	case l != kmspb.ProtectionLevel_HSM:
		return l, refuse(codes.Unimplemented, "the emulator does not model the protection level %s", l)
	case !at.HSM:
		return l, refuse(codes.InvalidArgument, "%s: HSM is not available at %s", field, at.ID)
	}
	return l, nil
}

// checkLevel: secp256k1 is for HSM only (CryptoKeyVersionAlgorithm).
func (*call) checkLevel(a algorithm, l kmspb.ProtectionLevel) error {
	if a.id == kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256 && l != kmspb.ProtectionLevel_HSM {
		return refuse(codes.InvalidArgument, "%s needs protection level HSM", a.id)
	}
	return nil
}
