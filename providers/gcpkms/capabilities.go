package gcpkms

import (
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Capabilities are Google's, for the target's location, protection level and wrapping
// key size. They are the same for as long as it is open: nobody may change what is in them.
func (p *Provider) Capabilities() broker.Capabilities { return p.caps() }

func (c Config) capabilities() broker.Capabilities {
	return broker.Capabilities{
		Provider: "gcp", Service: "Google Cloud KMS", Specs: c.specs(),
		Consumer: "{name}", NamesKeys: true, Names: keyRule(), Tags: labelRule(), NotUsed: unprovable,
		Deletion: broker.DeletionRule{
			Min: minWindow, Max: maxWindow, Default: c.DeletionWindow, Chosen: broker.ChosenAtBirth, KeysStay: true,
		},
		SoftwareProtected: c.Protection == Software,
		WrappingKeysLast:  true, ImportLists: true, SoleWriter: c.SoleWriter, PrepareFinds: true,
		Settle: c.Settle, Poll: c.Poll,
		Quotas: c.quotas(), Once: c.once(), Shared: shared(), Prices: c.prices.From, HostSuffixes: append(kmsHosts(c.Location), privateHosts), Permissions: c.neededPermissions(),
	}
}

// keyRule is Google's for ids of keys (CreateCryptoKeyRequest.crypto_key_id).
func keyRule() broker.NameRule {
	return broker.NameRule{
		Pattern: `[a-zA-Z0-9_-]{1,63}`, Max: 63, Keeps: "_", Words: "letters, digits, _ and -, at most 63 characters",
	}
}

// specs is what KMS takes of each key spec.
func (c Config) specs() map[broker.KeySpec]broker.SpecCapability {
	out := map[broker.KeySpec]broker.SpecCapability{}
	for _, s := range broker.KeySpecs() {
		if why := c.unsupported(s); why != "" {
			out[s] = broker.SpecCapability{Unsupported: why}
			continue
		}
		spec := broker.SpecCapability{
			Mechanisms: mechanisms(s), Purposes: purposes(s), SecondVersion: true,
			Proof: map[broker.Purpose]broker.ProofLevel{}, Given: map[broker.Purpose]broker.Given{}, Algorithms: map[broker.Purpose][]string{},
			Calls: calls(purposes(s)), Price: c.prices.For(s),
		}
		for _, p := range spec.Purposes {
			spec.Proof[p], spec.Given[p], spec.Algorithms[p] = proofs[p], broker.GivenVersion, algorithmWords(s, p)
		}
		if _, ok := spec.Given[broker.Encrypt]; ok {
			spec.Given[broker.Encrypt] = broker.GivenPrimary
		}
		out[s] = spec
	}
	return out
}

// unsupported says why Google does not take a spec; "" it does.
func (c Config) unsupported(s broker.KeySpec) string {
	switch {
	case len(purposes(s)) == 0:
		return "Google Cloud KMS has no algorithm for it"
	case s == broker.Secp256k1 && c.Protection == Software:
		return "Google takes secp256k1 at protection level HSM only"
	default:
		return ""
	}
}

// purposes of a spec that Google has an algorithm for.
func purposes(s broker.KeySpec) []broker.Purpose {
	return slices.DeleteFunc(s.Purposes(), func(p broker.Purpose) bool {
		_, err := algorithmFor(s, p, "")
		return err != nil
	})
}

// proofs is the strongest proof of each purpose. What Google encrypts by itself has a
// form of its own, which no token can make.
var proofs = map[broker.Purpose]broker.ProofLevel{
	broker.Encrypt:    broker.ProofAccepted,
	broker.RawEncrypt: broker.ProofCipher,
	broker.MAC:        broker.ProofMAC,
	broker.Sign:       broker.ProofPublicKey,
	broker.Decrypt:    broker.ProofPublicKey,
}

// mechanisms for a spec. SHA-256 with AES is what Google recommends; straight under
// OAEP comes last, because fewer tokens can do that to a private key, and never for
// RSA, which does not fit (ImportJob.ImportMethod).
func mechanisms(s broker.KeySpec) []broker.Mechanism {
	all := []broker.Mechanism{broker.KWPSHA256, broker.KWPSHA1, broker.OAEPSHA256}
	if s.Class() == broker.ClassRSA {
		return all[:2]
	}
	return all
}
