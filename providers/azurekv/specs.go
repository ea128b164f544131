package azurekv

import (
	"math/big"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// curves are the broker's EC specs in Azure's words ("BYOK specification": supported
// target key types).
var curves = map[broker.KeySpec]azkeys.CurveName{
	broker.ECP256: azkeys.CurveNameP256,
	broker.ECP384: azkeys.CurveNameP384,
	broker.ECP521: azkeys.CurveNameP521,
}

// specs is what a vault takes of each key spec.
func (c Config) specs() map[broker.KeySpec]broker.SpecCapability {
	out := map[broker.KeySpec]broker.SpecCapability{}
	for _, s := range broker.KeySpecs() {
		if why := c.unsupported(s); why != "" {
			out[s] = broker.SpecCapability{Unsupported: why}
			continue
		}
		spec := broker.SpecCapability{
			Mechanisms: []broker.Mechanism{broker.KWPSHA1}, Purposes: purposes(s), SecondVersion: true,
			Proof: map[broker.Purpose]broker.ProofLevel{}, Given: map[broker.Purpose]broker.Given{},
			Calls: calls(s, purposes(s)), Price: c.prices.For(s),
		}
		for _, purpose := range spec.Purposes {
			spec.Proof[purpose], spec.Given[purpose] = broker.ProofPublicKey, broker.GivenNewest
			if s.Secret() {
				spec.Proof[purpose] = broker.ProofCipher
			}
		}
		out[s] = spec
	}
	return out
}

// purposes of a spec that Azure has key operations for.
func purposes(s broker.KeySpec) []broker.Purpose {
	return slices.DeleteFunc(s.Purposes(), func(p broker.Purpose) bool { return p == broker.RawEncrypt || p == broker.Agree })
}

// unsupported says why a vault does not take a spec, and what to do instead; "" it
// does.
func (c Config) unsupported(s broker.KeySpec) string {
	switch {
	case s.Class() == broker.ClassAES && c.Kind != ManagedHSM:
		return "a vault takes no AES key from outside: use a Managed HSM, or an RSA key that wraps"
	case s.Class() == broker.ClassHMAC:
		return "Azure has no HMAC keys that can be imported"
	case s == broker.Secp256k1:
		return "its BYOK takes the curves P-256, P-384 and P-521 only"
	case s == broker.Ed25519:
		return "its BYOK takes no Ed25519 keys"
	default:
		return ""
	}
}

// keyType is a spec's kty, by where it is kept.
func (c Config) keyType(s broker.KeySpec) azkeys.KeyType {
	software := c.Protection == Software
	switch {
	case s.Class() == broker.ClassAES:
		return azkeys.KeyTypeOctHSM
	case s.Class() == broker.ClassRSA && software:
		return azkeys.KeyTypeRSA
	case s.Class() == broker.ClassRSA:
		return azkeys.KeyTypeRSAHSM
	case software:
		return azkeys.KeyTypeEC
	default:
		return azkeys.KeyTypeECHSM
	}
}

// operations that a key is imported for: what its purpose needs, and nothing else.
func operations(p broker.Purpose) []azkeys.KeyOperation {
	switch p {
	case broker.Sign:
		return []azkeys.KeyOperation{azkeys.KeyOperationSign, azkeys.KeyOperationVerify}
	default:
		return []azkeys.KeyOperation{
			azkeys.KeyOperationEncrypt, azkeys.KeyOperationDecrypt, azkeys.KeyOperationWrapKey, azkeys.KeyOperationUnwrapKey,
		}
	}
}

// purposeOf is the reverse, by the spec.
func purposeOf(s broker.KeySpec, ops []azkeys.KeyOperation) broker.Purpose {
	for _, p := range purposes(s) {
		if sameOperations(ops, operations(p)) {
			return p
		}
	}
	return ""
}

func sameOperations(a, b []azkeys.KeyOperation) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// operationsOf a key as Azure shows it.
func operationsOf(k *azkeys.JSONWebKey) []azkeys.KeyOperation {
	var out []azkeys.KeyOperation
	for _, o := range k.KeyOps {
		if o != nil {
			out = append(out, *o)
		}
	}
	return out
}

// specOf is the spec of a key as Azure shows it; "" for one the broker has no word for.
// The size of a secret is not shown: it is as its tag says.
func specOf(k *azkeys.JSONWebKey, said broker.KeySpec) broker.KeySpec {
	if k.Kty == nil {
		return ""
	}
	switch *k.Kty {
	case azkeys.KeyTypeRSA, azkeys.KeyTypeRSAHSM:
		return ofBits(broker.ClassRSA, new(big.Int).SetBytes(k.N).BitLen())
	case azkeys.KeyTypeOct, azkeys.KeyTypeOctHSM:
		if said.Class() == broker.ClassAES {
			return said
		}
	case azkeys.KeyTypeEC, azkeys.KeyTypeECHSM:
		for s, curve := range curves {
			if k.Crv != nil && *k.Crv == curve {
				return s
			}
		}
	}
	return ""
}

func ofBits(class broker.Class, bits int) broker.KeySpec {
	for _, s := range broker.KeySpecs() {
		if s.Class() == class && s.Bits() == bits {
			return s
		}
	}
	return ""
}
