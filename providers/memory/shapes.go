package memory

import (
	"github.com/keyferry/keyferry/broker"
)

// Numbered is the capabilities of a target that behaves like Google Cloud KMS: keys
// have names of ours and stay for ever, versions are numbered and listed with the
// shared wrapping key they were imported under, and consumers are given the primary
// version, or the version itself.
func Numbered() broker.Capabilities {
	c := Default()
	c.Consumer, c.NamesKeys, c.PrepareFinds, c.ImportLists = "{name}", true, true, true
	c.WrappingKeysLast = true
	c.Names = broker.NameRule{Pattern: `[a-zA-Z0-9_-]{1,63}`, Max: 63, Keeps: "_", Words: "letters, digits, _ and -, at most 63 characters"}
	c.Tags = broker.TagRule{
		Max: 60, Name: `[a-z][a-z0-9_-]{0,62}`, Value: `[a-z0-9_-]{0,63}`,
		Reserved: []string{"keyferry"}, Words: "small letters, digits, _ and -, at most 63 characters, 60 of them",
	}
	c.ValidTo = broker.ValidToRule{}
	c.Deletion = broker.DeletionRule{Min: day, Max: 120 * day, Default: 30 * day, Chosen: broker.ChosenAtBirth, KeysStay: true}
	c.Specs = specsOf(numbered)
	return c
}

func numbered(s broker.KeySpec) broker.SpecCapability {
	all := []broker.Mechanism{broker.KWPSHA256, broker.KWPSHA1, broker.OAEPSHA256}
	version := map[broker.Purpose]broker.Given{broker.Sign: broker.GivenVersion, broker.Decrypt: broker.GivenVersion, broker.MAC: broker.GivenVersion, broker.RawEncrypt: broker.GivenVersion}
	c := broker.SpecCapability{Mechanisms: all, Purposes: s.Purposes(), Given: version, SecondVersion: true}
	switch s.Class() {
	case broker.ClassRSA:
		c.Mechanisms = all[:2]
	case broker.ClassEC:
		c.Purposes = []broker.Purpose{broker.Sign}
	default: // as they are
	}
	switch s {
	case broker.AES256:
		c.Given[broker.Encrypt] = broker.GivenPrimary
	case broker.AES128:
		c.Purposes = []broker.Purpose{broker.RawEncrypt}
	case broker.ECP521:
		c = broker.SpecCapability{Unsupported: "it behaves like Google Cloud KMS, which does not take it"}
	default: // all others
	}
	c.Algorithms = itself(s, c.Purposes)
	c.Proof = proofBy(c.Purposes, map[broker.Purpose]broker.ProofLevel{
		broker.Encrypt: broker.ProofAccepted, broker.RawEncrypt: broker.ProofCipher, broker.MAC: broker.ProofMAC,
	})
	return c
}

// Newest is the capabilities of a target that behaves like Azure Managed HSM: an
// import makes the key or its next version, which carries marks of its own and is
// what consumers get, wrapping keys are made and kept, ends are moved, and a deleted
// key's name stays taken until it is gone.
func Newest() broker.Capabilities {
	c := Default()
	c.Consumer, c.NamesKeys, c.ImportMakesKey, c.ImportMarks, c.KeepsWrappingKeys = "{name}", true, true, true, true
	c.WrappingKeysLast = true
	c.Names = broker.NameRule{Pattern: `[a-zA-Z0-9-]{1,127}`, Max: 127, Reserved: []string{"wrapping-key"}, Words: "letters, digits and -, at most 127 characters"}
	c.Tags = broker.TagRule{Max: 10, Name: `.{1,256}`, Value: `.{0,256}`, Reserved: []string{"keyferry-"}, Words: "at most 256 characters, 10 of them"}
	c.ValidTo = broker.ValidToRule{Native: true, Moves: true, From: true}
	c.Deletion = broker.DeletionRule{Min: 90 * day, Max: 90 * day, Default: 90 * day, Chosen: broker.ChosenNever}
	c.Specs = specsOf(newest)
	return c
}

func newest(s broker.KeySpec) broker.SpecCapability {
	given := map[broker.Purpose]broker.Given{}
	c := broker.SpecCapability{Mechanisms: []broker.Mechanism{broker.KWPSHA1}, Purposes: s.Purposes(), Given: given, SecondVersion: true}
	if s.Class() == broker.ClassEC {
		c.Purposes = []broker.Purpose{broker.Sign}
	}
	for _, p := range c.Purposes {
		given[p] = broker.GivenNewest
	}
	if s.Class() == broker.ClassHMAC || s == broker.Ed25519 {
		return broker.SpecCapability{Unsupported: "it behaves like Azure Managed HSM, which does not take it"}
	}
	c.Algorithms = itself(s, c.Purposes)
	c.Proof = proofBy(c.Purposes, map[broker.Purpose]broker.ProofLevel{broker.Encrypt: broker.ProofCipher, broker.RawEncrypt: broker.ProofCipher})
	return c
}

// specsOf asks of every key spec that Go computes with.
func specsOf(of func(broker.KeySpec) broker.SpecCapability) map[broker.KeySpec]broker.SpecCapability {
	out := map[broker.KeySpec]broker.SpecCapability{}
	for _, s := range broker.KeySpecs() {
		out[s] = of(s)
	}
	out[broker.Secp256k1] = broker.SpecCapability{Unsupported: "Go's standard library does not compute with it"}
	return out
}

// proofBy is by public key where nothing else is said.
func proofBy(purposes []broker.Purpose, said map[broker.Purpose]broker.ProofLevel) map[broker.Purpose]broker.ProofLevel {
	out := map[broker.Purpose]broker.ProofLevel{}
	for _, p := range purposes {
		out[p] = broker.ProofPublicKey
		if level := said[p]; level != "" {
			out[p] = level
		}
	}
	return out
}
