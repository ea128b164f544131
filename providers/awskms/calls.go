package awskms

import "github.com/keyferry/keyferry/broker"

// calls of one import, by purpose. A test counts them.
func (c Config) calls(s broker.KeySpec) map[broker.Purpose]map[string]int {
	made := map[string]int{
		"CreateKey": 1, "GetParametersForImport": 1, "ImportKeyMaterial": 1, "CreateAlias": 1,
		"DescribeKey": 8, "GetKeyPolicy": 3, "ListAliases": 3, "ListResourceTags": 3,
	}
	if c.PrimaryRegion != "" {
		delete(made, "CreateKey")
		made["ReplicateKey"] = 1
	}
	out := map[broker.Purpose]map[string]int{}
	for purpose, level := range proofs(s) {
		out[purpose] = broker.AddCalls(made, proofCalls(level, purpose))
	}
	return out
}

// proofCalls are those of both proofs: when it was imported, and through its alias.
func proofCalls(level broker.ProofLevel, purpose broker.Purpose) map[string]int {
	switch level {
	case broker.ProofReimport:
		return map[string]int{
			"GetParametersForImport": 1, "ImportKeyMaterial": 1, "DescribeKey": 3, "GetKeyPolicy": 1, "ListAliases": 1, "ListResourceTags": 1,
		}
	case broker.ProofMAC:
		return map[string]int{"GenerateMac": 2}
	default:
		uses := map[broker.Purpose]string{broker.Sign: "Sign", broker.Decrypt: "Decrypt", broker.Agree: "DeriveSharedSecret"}
		return map[string]int{"GetPublicKey": 2, uses[purpose]: 2}
	}
}
