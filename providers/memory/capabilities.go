package memory

import (
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

const day = 24 * time.Hour

// Default is the capabilities of a target that behaves like AWS KMS, for every
// key spec that Go's standard library computes with.
func Default() broker.Capabilities {
	return broker.Capabilities{
		Provider: "memory", Service: "the memory provider", Specs: specs(),
		Consumer: "alias/{name}",
		Names: broker.NameRule{
			Pattern: `alias/[a-zA-Z0-9/_-]+`, Max: 256,
			Words: "letters, digits, / _ and -, at most 256 characters with alias/",
		},
		Tags: broker.TagRule{
			Max: 45, Name: `[a-zA-Z0-9 _.:/=+@-]{1,128}`, Value: `[a-zA-Z0-9 _.:/=+@-]{0,256}`, Reserved: []string{"keyferry:"},
			Words: "at most 45, with letters, digits, spaces and _.:/=+-@",
		},
		ValidTo:  broker.ValidToRule{Native: true, Max: 365 * day},
		Deletion: broker.DeletionRule{Min: 7 * day, Max: 30 * day, Default: 30 * day},
		Settle:   time.Minute, Poll: time.Second,
		Permissions: []broker.Permission{
			{Action: "memory:Prepare", For: "prepare"},
			{Action: "memory:Import", For: "import"},
			{Action: "memory:Prove", For: "prove", Proof: true},
			{Action: "memory:Look", For: "look", Look: true},
		},
	}
}

func specs() map[broker.KeySpec]broker.SpecCapability {
	oaep := []broker.Mechanism{broker.OAEPSHA256, broker.OAEPSHA1}
	kwp := []broker.Mechanism{broker.KWPSHA256, broker.KWPSHA1}
	out := map[broker.KeySpec]broker.SpecCapability{}
	for _, s := range broker.KeySpecs() {
		c := broker.SpecCapability{Mechanisms: oaep, Purposes: purposes(s), Proof: proofs(s), Algorithms: itself(s, purposes(s)), ImportRepeats: true}
		switch s.Class() {
		case broker.ClassRSA:
			c.Mechanisms = kwp
		case broker.ClassEC:
			c.Mechanisms = append(kwp, oaep...)
		default: // secrets go straight under OAEP
		}
		switch s {
		case broker.AES128, broker.HMACSHA1, broker.Ed25519:
			c = broker.SpecCapability{Unsupported: "it behaves like AWS KMS, which does not take it"}
		case broker.Secp256k1:
			c = broker.SpecCapability{Unsupported: "Go's standard library does not compute with it"}
		default: // it takes all others
		}
		out[s] = c
	}
	return out
}

// itself is the only word for what a key computes: that of its spec. For RSA none can be
// asked for, because its keys take long to make.
func itself(s broker.KeySpec, purposes []broker.Purpose) map[broker.Purpose][]string {
	out := map[broker.Purpose][]string{}
	if s.Class() == broker.ClassRSA {
		return nil
	}
	for _, p := range purposes {
		out[p] = []string{string(s)}
	}
	return out
}

// purposes leaves raw encryption out: it behaves like AWS KMS, which has none.
func purposes(s broker.KeySpec) []broker.Purpose {
	return slices.DeleteFunc(s.Purposes(), func(p broker.Purpose) bool { return p == broker.RawEncrypt })
}

func proofs(s broker.KeySpec) map[broker.Purpose]broker.ProofLevel {
	level := broker.ProofPublicKey
	switch s.Class() {
	case broker.ClassAES:
		level = broker.ProofReimport
	case broker.ClassHMAC:
		level = broker.ProofMAC
	default: // pairs
	}
	out := map[broker.Purpose]broker.ProofLevel{}
	for _, purpose := range purposes(s) {
		out[purpose] = level
	}
	return out
}
