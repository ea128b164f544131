package gcpkms

import "github.com/keyferry/keyferry/broker"

// calls of one import, by purpose. A test counts them.
func calls(purposes []broker.Purpose) map[broker.Purpose]map[string]int {
	uses := map[broker.Purpose]string{
		broker.RawEncrypt: "RawDecrypt", broker.MAC: "MacSign", broker.Sign: "AsymmetricSign", broker.Decrypt: "AsymmetricDecrypt",
	}
	out := map[broker.Purpose]map[string]int{}
	for _, purpose := range purposes {
		made := map[string]int{"CreateCryptoKey": 1, "GetImportJob": 1, "ImportCryptoKeyVersion": 1, "ListCryptoKeyVersions": 2}
		switch purpose {
		case broker.Encrypt: // nothing is compared, and consumers get the primary
			made = broker.AddCalls(made, map[string]int{"GetCryptoKey": 8, "GetCryptoKeyVersion": 1, "UpdateCryptoKeyPrimaryVersion": 1})
		default: // disabled and enabled again
			made = broker.AddCalls(made, map[string]int{"GetCryptoKey": 12, "GetCryptoKeyVersion": 8, "UpdateCryptoKeyVersion": 2, uses[purpose]: 2})
		}
		if proofs[purpose] == broker.ProofPublicKey {
			made["GetPublicKey"] = 2
		}
		out[purpose] = made
	}
	return out
}

// once are the calls that say who we are at the ring, before the first import.
func (c Config) once() map[string]int {
	if c.Protection == Software {
		return map[string]int{"GetKeyRing": 1}
	}
	return map[string]int{"GetKeyRing": 1, "GetLocation": 1}
}

// shared are those of a new import job.
func shared() map[string]int { return map[string]int{"CreateImportJob": 1, "GetImportJob": 1} }
