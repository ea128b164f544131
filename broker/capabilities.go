package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Capabilities says how a provider differs from the others, as data: no decision
// of the broker asks for a provider's name.
type Capabilities struct {
	Provider string // "aws": the word in commands and config
	Service  string // "AWS KMS": for people
	Specs    map[KeySpec]SpecCapability
	// Consumer is the name of ours at the provider, with {name} for the key's name:
	// an alias, or the key's own name (NamesKeys).
	Consumer string
	// NamesKeys: that name is the key's own, and taken as long as anything has it.
	NamesKeys bool
	Names     NameRule
	Tags      TagRule
	ValidTo   ValidToRule
	Deletion  DeletionRule
	// NotUsed are the provider's words for what keys could compute and are never made
	// for, each with the reason.
	NotUsed map[string]string
	// SoftwareProtected: keys are kept in software here, which a policy must allow.
	SoftwareProtected bool
	// ImportMakesKey: there is no key before its first import.
	ImportMakesKey bool
	// ImportMarks: a version carries the id of the effect that imported it, set by
	// the import itself, so that one whose answer was lost is found.
	ImportMarks bool
	// ImportLists: versions carry no mark, but are listed with what they were
	// imported under (Observation.Batch): those seen before go into the intent, and a
	// new one that proves equal is ours.
	ImportLists bool
	// SoleWriter: it was said of the target that nobody else imports there, so that
	// the one new version is ours also where nothing can be compared.
	SoleWriter bool
	// KeepsWrappingKeys: wrapping keys are made by us and serve until their end.
	KeepsWrappingKeys bool
	// WrappingKeysLast: one serves many imports until its end, so that there is time for
	// somebody to mark it as trusted in the token.
	WrappingKeysLast bool
	// PrepareFinds: Prepare can be called again and finds what it made; else a
	// restart looks for the effect's mark and decides.
	PrepareFinds bool
	// Settle is how long after an unclear answer a change may still appear, and
	// Poll how often to look meanwhile.
	Settle, Poll time.Duration
	Quotas       []Quota
	// Once are the calls that a run of the program makes before its first import, and
	// Shared what is called more, or less, where an import has a wrapping key made that
	// serves others of its mechanism too: by name.
	Once, Shared map[string]int
	Prices       PriceList
	HostSuffixes []string     // endpoints that are genuinely this provider's
	Permissions  []Permission // the least an importing role needs
}

// SpecCapability is what a provider takes of one key spec.
type SpecCapability struct {
	Mechanisms []Mechanism // in order of preference
	Purposes   []Purpose   // the default one first
	Proof      map[Purpose]ProofLevel
	// Algorithms are the provider's words for what a key may be asked to compute, by
	// purpose; none where its spec says all.
	Algorithms map[Purpose][]string
	// Given is what consumers are given, by purpose.
	Given map[Purpose]Given
	// Calls are those of one import, by purpose and name: until it is proven, and given
	// to consumers, where nothing goes wrong and nothing has to be waited for.
	Calls map[Purpose]map[string]int
	Price Price
	// SecondVersion: the same key can hold a further version. Otherwise the next
	// version is a new key and the consumer name moves.
	SecondVersion bool
	// ImportRepeats: after an unclear import the same material can be sent again
	// with the same result. SecondVersion's later ones never repeat.
	ImportRepeats bool
	Unsupported   string // why not, in plain words; Mechanisms is empty then
}

// Given is what consumers are given at a provider, and so what activation does.
type Given string

// What consumers are given.
const (
	GivenName    Given = ""        // a name of ours that leads to a key: activation moves it
	GivenPrimary Given = "primary" // the key, of which one version is the primary: activation makes it that
	GivenVersion Given = "version" // the version itself: disabled once proven, activation enables it
	// GivenNewest is the key, of which the newest version is used. A first version is
	// disabled once proven, and activation enables it; from the second version on
	// consumers get one as soon as it is imported.
	GivenNewest Given = "newest"
)

// Withheld reports whether between proof and activation a first version
// is disabled.
func (g Given) Withheld() bool { return g == GivenVersion || g == GivenNewest }

// Immediate reports whether consumers get this version of a key as soon as it is imported, so
// that nothing of it can be staged.
func (g Given) Immediate(number int) bool { return g == GivenNewest && number > 1 }

// NameRule is what a provider allows as the name of a key.
type NameRule struct {
	Pattern string // regular expression (RE2) the whole consumer name must match
	Max     int    // characters
	Keeps   string // what may stay of a key's name beside letters, digits and -
	Words   string // the rule for people
	// Reserved are whole names that no key of ours may have, in upper and lower case.
	Reserved []string
}

// Allows reports whether a key may have a name.
func (r NameRule) Allows(name string) bool { return r.shapes(name) && !r.reserves(name) }

// shapes reports whether a name is made of what names there are made of.
func (r NameRule) shapes(name string) bool {
	return len(name) <= r.Max && wholly(r.Pattern, name)
}

// reserves reports whether a name is kept for something else.
func (r NameRule) reserves(name string) bool {
	return slices.ContainsFunc(r.Reserved, func(own string) bool { return strings.EqualFold(own, name) })
}

// TagRule is what a provider allows as tags of the customer's own. The zero value
// allows all.
type TagRule struct {
	Max   int    // how many, beside those of the broker; 0 no limit
	Name  string // regular expression (RE2) a name must match; "" any
	Value string // the same for values
	Words string // the rule for people
	// Reserved are beginnings of names that are the broker's or the provider's own, in
	// upper and lower case.
	Reserved []string
}

// ValidToRule is a provider's own expiry of material.
type ValidToRule struct {
	Native bool
	Max    time.Duration // ahead of now; 0 no limit
	Moves  bool          // the end is moved by SetEnd, not by importing again
	From   bool          // a version may also begin at a time (ImportIn.ValidFrom)
}

// DeletionRule is a provider's waiting period before it deletes a key.
type DeletionRule struct {
	Min, Max, Default time.Duration
	// Unit is what a period is a whole number of; 0 seconds.
	Unit time.Duration
	// Chosen is when a period is said.
	Chosen Chosen
	// KeysStay: only versions are destroyed; the key's name stays for ever.
	KeysStay bool
}

// Chosen is when it is said how long a key waits for its deletion.
type Chosen string

// When a waiting period is chosen.
const (
	ChosenAtDeletion Chosen = ""         // each time
	ChosenAtBirth    Chosen = "at birth" // when the key is made, once and for all
	ChosenNever      Chosen = "never"    // it is the place's own
)

// refuses says what a waiting period must be; "" it can be had.
func (r DeletionRule) refuses(window time.Duration) string {
	unit, in := first(r.Unit, time.Second), ""
	if unit == day {
		in = " in whole days"
	}
	if window >= r.Min && window <= r.Max && window%unit == 0 {
		return ""
	}
	return fmt.Sprintf("%s is not from %s to %s%s", span(window), span(r.Min), span(r.Max), in)
}

const day = 24 * time.Hour

// span is a period as people write it.
func span(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
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
