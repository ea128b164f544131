package azurekv

import "github.com/keyferry/keyferry/broker"

// calls of one import, by purpose. A test counts them.
func calls(s broker.KeySpec, purposes []broker.Purpose) map[broker.Purpose]map[string]int {
	out := map[broker.Purpose]map[string]int{}
	for _, purpose := range purposes {
		reads, use := 13, "Decrypt"
		if s.Class() == broker.ClassAES {
			reads = 11 // it has no public key to be compared
		}
		if purpose == broker.Sign {
			use = "Sign"
		}
		out[purpose] = map[string]int{"ImportKey": 1, "GetKey": reads, "GetDeletedKey": 2, "UpdateKey": 2, use: 2}
	}
	return out
}

// once is the call that says who we are at the vault, before the first import.
func once() map[string]int { return map[string]int{"ListKeys": 1} }

// shared are those of a new Key Exchange Key, which is then not read.
func shared() map[string]int { return map[string]int{"CreateKey": 1, "GetKey": -1} }
