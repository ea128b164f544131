package broker

import (
	"regexp"
	"slices"
	"time"
)

// Capabilities says how a provider differs from the others, as data: no decision
// of the broker asks for a provider's name.
type Capabilities struct {
	Provider string // "aws": the word in commands and config
	Service  string // "AWS KMS": for people
	Specs    map[KeySpec]SpecCapability
	Staging  Staging
	// Consumer is the name consumers use, with {name} for the key's name; empty
	// where a provider gives them something else than a name.
	Consumer string
	Names    NameRule
	ValidTo  ValidToRule
	Deletion DeletionRule
	// PrepareFinds: Prepare can be called again and finds what it made; else a
	// restart looks for the effect's mark and decides.
	PrepareFinds bool
	// Settle is how long after an unclear answer a change may still appear, and
	// Poll how often to look meanwhile.
	Settle, Poll time.Duration
	Quotas       []Quota
	HostSuffixes []string     // endpoints that are genuinely this provider's
	Permissions  []Permission // the least an importing role needs
}

// SpecCapability is what a provider takes of one key spec.
type SpecCapability struct {
	Mechanisms []Mechanism // in order of preference
	Purposes   []Purpose   // the default one first
	Proof      map[Purpose]ProofLevel
	// SecondVersion: the same key can hold a further version. Otherwise the next
	// version is a new key and the consumer name moves.
	SecondVersion bool
	// ImportRepeats: after an unclear import the same material can be sent again
	// with the same result. SecondVersion's later ones never repeat.
	ImportRepeats bool
	Unsupported   string // why not, in plain words; Mechanisms is empty then
}

// Staging says when consumers get a version that was imported.
type Staging string

// The kinds of staging.
const (
	Inert     Staging = "inert"     // only after activation
	Immediate Staging = "immediate" // as soon as it is imported
)

// NameRule is what a provider allows as the name of a key.
type NameRule struct {
	Pattern string // regular expression (RE2) the whole consumer name must match
	Max     int    // characters
	Words   string // the rule for people
}

// Allows reports whether a name keeps the rule.
func (r NameRule) Allows(name string) bool {
	ok, err := regexp.MatchString(`^(?:`+r.Pattern+`)$`, name)
	return err == nil && ok && len(name) <= r.Max
}

// ValidToRule is a provider's own expiry of material.
type ValidToRule struct {
	Native bool
	Max    time.Duration // ahead of now; 0 no limit
}

// DeletionRule is a provider's waiting period before it deletes a key.
type DeletionRule struct {
	Min, Max, Default time.Duration
}

// Quota is how often a call may be made, per account and region.
type Quota struct {
	Calls     []string // calls that share it
	PerSecond float64
	Burst     int
}

// Permission is one thing a role must be allowed, in the provider's words.
type Permission struct {
	Action string // "kms:CreateKey"
	For    string // which step needs it
	Proof  bool   // it uses the key: belongs to the proof role where there is one
	Look   bool   // looking at what is there needs it, so doctor can check it
	Later  bool   // the provider can do it, and no command asks for it yet: not granted
}

// Purposes the provider takes for a spec; empty when it takes none.
func (c Capabilities) Purposes(s KeySpec) []Purpose { return c.Specs[s].Purposes }

// Takes reports whether the provider takes this spec for this purpose.
func (c Capabilities) Takes(s KeySpec, p Purpose) bool {
	spec := c.Specs[s]
	return len(spec.Mechanisms) > 0 && slices.Contains(spec.Purposes, p)
}
