package awskms

import (
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Capabilities are AWS's, for the target's partition and wrapping key size. They are
// the same for as long as it is open: nobody may change what is in them.
func (p *Provider) Capabilities() broker.Capabilities { return p.caps() }

func (c Config) capabilities() broker.Capabilities {
	return broker.Capabilities{
		Provider: "aws", Service: "AWS KMS", Specs: c.specs(),
		Consumer: "alias/{name}", Names: aliasRule(), Tags: tagRule(),
		ValidTo:  broker.ValidToRule{Native: true, Max: maxValidTo},
		Deletion: broker.DeletionRule{Min: 7 * day, Max: 30 * day, Default: c.DeletionWindow, Unit: day},
		Settle:   c.Settle, Poll: c.Poll,
		Quotas: c.quotas(), Prices: c.prices.From, HostSuffixes: kmsHosts(c.Region, c.Partition), Permissions: c.neededPermissions(),
	}
}

// maxValidTo is how far ahead material may end (ImportKeyMaterial, ValidTo).
const maxValidTo = 365 * day

// windowDays is a waiting period as AWS takes it (ScheduleKeyDeletion).
func windowDays(d time.Duration) (int32, error) {
	if d < 7*day || d > 30*day || d%day != 0 {
		return 0, fmt.Errorf("%s is not a number of whole days from 7 to 30", d)
	}
	return int32(d / day), nil
}

// aliasRule is AWS's for alias names; those under alias/aws/ are its own. RE2 cannot
// say "but not", so the pattern spells out how a name may leave the way to "aws/".
func aliasRule() broker.NameRule {
	const rest = `[a-zA-Z0-9:/_-]*`
	return broker.NameRule{
		Pattern: `alias/(?:[b-zA-Z0-9:/_-]` + rest + `|a|a[a-vx-zA-Z0-9:/_-]` + rest +
			`|aw|aw[a-rt-zA-Z0-9:/_-]` + rest + `|aws|aws[a-zA-Z0-9:_-]` + rest + `)`,
		Max: 256, Keeps: "/_",
		Words: "alias/ and letters, digits, : / _ and -, at most 256 characters, not under alias/aws/",
	}
}

// specs is what KMS takes of each key spec ("Importing key material" and the table
// of GetParametersForImport).
func (c Config) specs() map[broker.KeySpec]broker.SpecCapability {
	out := map[broker.KeySpec]broker.SpecCapability{}
	for _, s := range broker.KeySpecs() {
		if why := c.unsupported(s); why != "" {
			out[s] = broker.SpecCapability{Unsupported: why}
			continue
		}
		out[s] = broker.SpecCapability{
			Mechanisms: c.mechanisms(s), Purposes: purposes(s), Proof: proofs(s), ImportRepeats: true,
			Calls: c.calls(s), Price: c.prices.For(s),
		}
	}
	return out
}

// unsupported says why AWS does not take a spec; "" it does.
func (c Config) unsupported(s broker.KeySpec) string {
	switch {
	case s == broker.AES128:
		return "its symmetric keys are AES-256"
	case s == broker.HMACSHA1:
		return "its HMAC keys are for SHA-224, 256, 384 and 512"
	case s == broker.Ed25519 && !c.Ed25519:
		return "AWS does not list Ed25519 among the key specs that take imported material"
	case s == broker.AES256 && c.Partition == china:
		return "symmetric keys of the Chinese partition are SM4"
	case s.Class() == broker.ClassRSA && c.Partition == china:
		return "the Chinese partition has no RSA_AES_KEY_WRAP, which RSA keys need"
	default:
		return ""
	}
}

// mechanisms for a spec, SHA-256 first. An EC key goes by key wrap rather than
// straight under OAEP, because more tokens can do that to a private key; and P-521's
// PKCS#8 does not fit under RSA-2048.
func (c Config) mechanisms(s broker.KeySpec) []broker.Mechanism {
	switch {
	case s.Secret():
		return []broker.Mechanism{broker.OAEPSHA256, broker.OAEPSHA1}
	case c.Partition == china:
		return []broker.Mechanism{broker.OAEPSHA256, broker.OAEPSHA1}
	case s.Class() == broker.ClassRSA, s == broker.ECP521 && c.WrappingKeyBits == 2048:
		return []broker.Mechanism{broker.KWPSHA256, broker.KWPSHA1}
	default:
		return []broker.Mechanism{broker.KWPSHA256, broker.OAEPSHA256, broker.KWPSHA1, broker.OAEPSHA1}
	}
}

// proofs is the strongest proof for each purpose of a spec.
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
