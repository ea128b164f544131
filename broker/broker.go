package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options are what a Broker works with. Store, Now, Holder and Actor are required; what
// only reads works without a token and without targets.
type Options struct {
	Store    Store
	Token    *TokenSetup
	Targets  []Target
	Policies []Policy
	Actor    Actor
	Now      func() time.Time
	Log      *slog.Logger
	// Stale says whether the holder of a lease is known to be dead: killed a
	// moment ago and started again, nobody waits for a lease to run out.
	Stale func(holder string) bool
	// Holder names this process in leases.
	Holder string
}

// TokenSetup is the token as configured.
type TokenSetup struct {
	Name        string // in the config
	Token       Token
	Environment string
	Pins        map[string]string // config that its enrolment pins
}

// Target is a configured place at a provider.
type Target struct {
	Name        string
	Provider    Provider
	Environment string
	Pins        map[string]string // config that its enrolment pins
	// Genuine: the endpoint is the provider's own by host suffix and TLS, so that
	// what it documents may be relied on.
	Genuine     bool
	WrappingKey WrappingKeyPolicy
	Consumer    string        // overrides Capabilities.Consumer
	Window      time.Duration // waiting period before deletion; 0: the provider's default
	Place       string        // region, location and ring, or vault: for people
	QuotaPlace  string        // what its quotas are counted by: targets with the same share them
	// ReplicaOf names the target with the primary key that keys here are replicas of.
	ReplicaOf string
}

// nameOf is the name of ours that a key gets at the target: an alias, or its own.
func (t Target) nameOf(name string) string {
	caps := t.Provider.Capabilities()
	return caps.Names.fit(first(t.Consumer, caps.Consumer), name)
}

// consumerOf is the name by which consumers of key will use it, as far as that is
// one of ours; else they learn it with the import.
func (t Target) consumerOf(name string) string {
	if t.Provider.Capabilities().NamesKeys {
		return ""
	}
	return t.nameOf(name)
}

// Policy is what keys under it have in common.
type Policy struct {
	Name               string
	Spec               KeySpec
	Purpose            Purpose // "" is the spec's default
	Targets            []string
	Retain             Retain // "" is token; production names it
	AllowNonconforming bool
	WrapWithTrusted    bool              // material is wrapped under nothing but what the token's security officer marked
	AllowSoftware      bool              // also at targets that keep keys in software
	Mechanisms         []Mechanism       // allowed ones; empty: all
	Algorithms         map[string]string // what keys compute, in each provider's own words, by Capabilities.Provider
	Window             time.Duration     // waiting period before deletion, where a key is made with one; 0: the target's
	ValidFor           time.Duration     // of the cloud's copy; 0: no end
	ValidAfter         time.Duration     // the cloud's copy is not used before; 0: at once
	NoActivate         bool              // versions stay staged until they are activated
	Owner              string
	Tags               map[string]string
}

// Broker performs operations. It is safe for concurrent use.
type Broker struct {
	o       Options
	known   trusted
	end     knownEnd
	keeping sync.Mutex // while the keeper key is made
}

// New checks that the options fit together.
func New(o Options) (*Broker, error) {
	if o.Store == nil || o.Now == nil || o.Holder == "" {
		return nil, fmt.Errorf("make broker: a store, a clock and the holder of leases are required: %w", Misuse)
	}
	clock := o.Now
	o.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) } // as exact as every store keeps it
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for i, t := range o.Targets {
		if slices.ContainsFunc(o.Targets[:i], func(u Target) bool { return u.Name == t.Name }) {
			return nil, fmt.Errorf("make broker: target %s is there twice: %w", t.Name, Misuse)
		}
	}
	return &Broker{o: o, known: trusted{targets: map[string]Enrolment{}, identities: map[string]Identity{}, asking: map[string]*sync.Mutex{}}}, nil
}

// Why is what a person says about a change, for the audit.
type Why struct {
	Reason string
	Ticket string
}

// ImportRequest asks that version 1 of a key exists at its targets.
type ImportRequest struct {
	Name       string
	Policy     string  // of the key; "" uses the fields below alone
	Spec       KeySpec // "" is the policy's; another one is a Misuse
	Purpose    Purpose
	Targets    []string // empty: the policy's
	Retain     Retain
	ValidTo    time.Time // zero: the policy's ValidFor from now, or none
	FromNow    bool      // ValidTo was counted from now: an import on record keeps its own
	ActivateAt time.Time // zero: at once
	NoActivate bool      // stay staged
	// Object is the id of a key that lives in the token already: it is brought as it
	// is, and its birth was not ours to see.
	Object MaterialID
	Owner  string
	Tags   map[string]string
	Why
}

// ActivateRequest asks that consumers get a version that is staged and proven.
type ActivateRequest struct {
	Name   string
	Number int // 0: the newest
	Target string
	Why
}

// RenewRequest asks for the same material again with another end.
type RenewRequest struct {
	Name    string
	Number  int       // 0: the active one, or the newest
	Target  string    // "" all of the version's targets
	ValidTo time.Time // zero: no end
	FromNow bool      // ValidTo was counted from now: a renewal on record keeps its own
	KeepEnd bool      // each placement keeps the end it has: its material is brought back
	Why
}

// VerifyRequest asks for read-only proofs of a key's placements.
type VerifyRequest struct {
	Name   string
	Target string // "" all
}

// AbortRequest takes an unfinished or unwanted import back: the cloud key is
// scheduled for deletion, the token's object is named and stays.
type AbortRequest struct {
	Operation string
	Window    time.Duration // 0: the target's
	Why
}

// Result is what an operation came to.
type Result struct {
	Operation   OperationView `json:"operation"`
	Key         KeyView       `json:"key"`
	AlreadyDone bool          `json:"already_done"` // it was finished before: nothing was done now
}

// Intended is what an operation would do; nothing was touched for it.
type Intended struct {
	Key     string            `json:"key"`
	Number  int               `json:"number"`
	Spec    KeySpec           `json:"spec"`
	Purpose Purpose           `json:"purpose"`
	Retain  Retain            `json:"retain"`
	Targets []IntendedTarget  `json:"targets"`
	Resumes string            `json:"resumes,omitempty"` // id of an unfinished operation
	Done    bool              `json:"done"`              // finished before: nothing to do
	Tags    map[string]string `json:"tags,omitempty"`
	Object  MaterialID        `json:"object,omitempty"` // in the token already: it is not made
}

// IntendedTarget is one target of it.
type IntendedTarget struct {
	Target      string     `json:"target"`
	Environment string     `json:"environment"`
	Account     string     `json:"account,omitempty"`
	Place       string     `json:"place,omitempty"`
	Mechanism   Mechanism  `json:"mechanism"`
	Way         Way        `json:"way"`
	Proof       ProofLevel `json:"proof"`
	KeyName     string     `json:"key_name,omitempty"` // that the key gets there, where it has one of its own
	Consumer    string     `json:"consumer,omitempty"` // what consumers use; "" where they learn it with the import
	ValidTo     time.Time  `json:"valid_to,omitzero"`
	Note        string     `json:"note,omitempty"` // what of the policy does not count there, and why
}

// Check is the outcome of verifying one placement.
type Check struct {
	Key       string      `json:"key"`
	Number    int         `json:"number"`
	Target    string      `json:"target"`
	Level     ProofLevel  `json:"level"`
	OK        bool        `json:"ok"`
	State     RemoteState `json:"state"`
	At        time.Time   `json:"at"`
	Detail    string      `json:"detail,omitempty"` // what differs, or why it cannot be repeated
	Placement Placement   `json:"placement"`
}

// Aborted says what was taken back and what stays behind.
type Aborted struct {
	Operation  Operation    `json:"operation"`
	Keys       []TakenBack  `json:"taken_back,omitempty"`
	Scheduled  []VersionRef `json:"scheduled,omitempty"`  // at the targets, for deletion
	DeletionAt time.Time    `json:"deletion_at,omitzero"` // of the last of them
	Material   MaterialID   `json:"material,omitempty"`   // stays in the token
}

// TakenBack is what became of a version's key at one target.
type TakenBack struct {
	Target     string      `json:"target"`
	Version    VersionRef  `json:"version"`
	State      RemoteState `json:"state"` // as seen: scheduled, or destroyed where nothing of it is left
	DeletionAt time.Time   `json:"deletion_at,omitzero"`
}

// Finding is one line of doctor.
type Finding struct {
	Subject string `json:"subject"` // "token hsm", "target aws-test"
	Check   string `json:"check"`   // "clock", "credentials", "kms:CreateKey"
	State   string `json:"state"`   // ok, failed, warning, unknown
	Detail  string `json:"detail,omitempty"`
}

// Cell is one key spec for one purpose at one target: by which plan, or why not.
type Cell struct {
	Spec      KeySpec    `json:"spec"`
	Target    string     `json:"target"`
	Mechanism Mechanism  `json:"mechanism,omitempty"`
	Way       Way        `json:"way,omitempty"`
	Proof     ProofLevel `json:"proof,omitempty"`
	Purpose   Purpose    `json:"purpose,omitempty"` // "" the spec's usual one
	Reason    string     `json:"reason,omitempty"`  // why not
}

// Diagnosis is what doctor found. It created nothing anywhere but a throwaway
// object in the token.
type Diagnosis struct {
	Findings []Finding  `json:"findings"`
	Plans    []Plan     `json:"plans"`
	Keep     []KeepPlan `json:"keep"` // what retain: wrapped is worth, by key spec
	Matrix   []Cell     `json:"matrix"`
}

// AuditReport is the outcome of verifying the audit.
type AuditReport struct {
	Entries int64    `json:"entries"`
	Heads   int      `json:"heads"` // sealed ones, all verified
	Head    Head     `json:"head"`
	Faults  []string `json:"faults,omitempty"` // what was edited, removed or reordered
}

// target by name, as configured; an error where it could not be opened.
func (b *Broker) target(name string) (Target, error) {
	for _, t := range b.o.Targets {
		if t.Name == name {
			return t, t.fault()
		}
	}
	return Target{}, &Error{
		Kind: NotFound, Op: "find target", Object: name,
		Cause: fmt.Errorf("the config has %s", listed(targetNames(b.o.Targets))),
		Hint:  "name one of these, or add it to the config and enrol it: keyferry target enrol " + name,
	}
}

// token as configured; Misuse where the command was opened without one.
func (b *Broker) token() (TokenSetup, error) {
	if b.o.Token == nil {
		return TokenSetup{}, fmt.Errorf("open token: none is configured: %w", Misuse)
	}
	return *b.o.Token, nil
}

// wait lets d pass, or less when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
