package awskms

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// specWords are the broker's key specs in AWS's words ("Key spec reference").
var specWords = map[broker.KeySpec]types.KeySpec{
	broker.AES256:    types.KeySpecSymmetricDefault,
	broker.HMAC224:   types.KeySpecHmac224,
	broker.HMAC256:   types.KeySpecHmac256,
	broker.HMAC384:   types.KeySpecHmac384,
	broker.HMAC512:   types.KeySpecHmac512,
	broker.RSA2048:   types.KeySpecRsa2048,
	broker.RSA3072:   types.KeySpecRsa3072,
	broker.RSA4096:   types.KeySpecRsa4096,
	broker.ECP256:    types.KeySpecEccNistP256,
	broker.ECP384:    types.KeySpecEccNistP384,
	broker.ECP521:    types.KeySpecEccNistP521,
	broker.Secp256k1: types.KeySpecEccSecgP256k1,
	broker.Ed25519:   types.KeySpecEccNistEdwards25519,
}

// specOf is the reverse; "" for one the broker has no word for. What the Chinese
// partition calls SYMMETRIC_DEFAULT is SM4.
func specOf(word types.KeySpec, partition string) broker.KeySpec {
	for spec, w := range specWords {
		if w == word && (spec != broker.AES256 || partition != china) {
			return spec
		}
	}
	return ""
}

const china = "aws-cn"

// usageOf is a purpose in AWS's words.
func usageOf(p broker.Purpose) types.KeyUsageType {
	switch p {
	case broker.Encrypt, broker.Decrypt:
		return types.KeyUsageTypeEncryptDecrypt
	case broker.MAC:
		return types.KeyUsageTypeGenerateVerifyMac
	case broker.Sign:
		return types.KeyUsageTypeSignVerify
	case broker.Agree:
		return types.KeyUsageTypeKeyAgreement
	default:
		return ""
	}
}

// purposes of a spec that AWS has a key usage for.
func purposes(s broker.KeySpec) []broker.Purpose {
	return slices.DeleteFunc(s.Purposes(), func(p broker.Purpose) bool { return usageOf(p) == "" })
}

// purposeOf is the reverse: ENCRYPT_DECRYPT is two purposes, by the spec.
func purposeOf(spec broker.KeySpec, u types.KeyUsageType) broker.Purpose {
	for _, p := range spec.Purposes() {
		if usageOf(p) == u {
			return p
		}
	}
	return ""
}

// algorithms are the mechanisms in AWS's words.
var algorithms = map[broker.Mechanism]types.AlgorithmSpec{
	broker.OAEPSHA1:   types.AlgorithmSpecRsaesOaepSha1,
	broker.OAEPSHA256: types.AlgorithmSpecRsaesOaepSha256,
	broker.KWPSHA1:    types.AlgorithmSpecRsaAesKeyWrapSha1,
	broker.KWPSHA256:  types.AlgorithmSpecRsaAesKeyWrapSha256,
}

// wrappingSpecs are the sizes of wrapping keys, in bits.
var wrappingSpecs = map[int]types.WrappingKeySpec{
	2048: types.WrappingKeySpecRsa2048,
	3072: types.WrappingKeySpecRsa3072,
	4096: types.WrappingKeySpecRsa4096,
}

// states are AWS's key states in common words; another one is unexpected.
var states = map[types.KeyState]broker.RemoteState{
	types.KeyStateCreating:               broker.RemoteUpdating,
	types.KeyStateUpdating:               broker.RemoteUpdating,
	types.KeyStateEnabled:                broker.RemoteEnabled,
	types.KeyStateDisabled:               broker.RemoteDisabled,
	types.KeyStatePendingDeletion:        broker.RemoteScheduled,
	types.KeyStatePendingReplicaDeletion: broker.RemoteScheduled,
	types.KeyStatePendingImport:          broker.RemotePending,
}

func stateOf(s types.KeyState) broker.RemoteState {
	if state, ok := states[s]; ok {
		return state
	}
	return broker.RemoteUnexpected
}
