package broker

import (
	"context"
	"iter"
	"time"
)

// Store keeps the inventory, the operations and the audit. Every write is one
// Change in one transaction with its audit entry; there is no other way to write.
// It is safe for concurrent use by goroutines and by processes.
//
// Its errors are NotFound, Conflict (a unique name, version or effect is there
// already, or the lease is held by another), Denied (read-only file, permission),
// Rejected (full disk, newer schema, damaged file) and Unavailable (locked for
// longer than it waits); none of them leaves a part of a Change behind.
type Store interface {
	// Apply writes one change and returns the audit's new head. Changes that wait for each
	// other may be written in one transaction: then Trust of the first is called and Seal
	// of the last, whose head all of them return. None fails for another's fault.
	Apply(ctx context.Context, c Change) (Head, error)
	// Key by name, with all versions and placements.
	Key(ctx context.Context, name string) (KeyView, error)
	// Keys in order of name.
	Keys(ctx context.Context, f KeyFilter) iter.Seq2[KeyView, error]
	// Operation by id, with its effects.
	Operation(ctx context.Context, id string) (OperationView, error)
	// Operations, newest first.
	Operations(ctx context.Context, f OperationFilter) iter.Seq2[OperationView, error]
	// Lease takes, extends or gives back the right to write one key.
	Lease(ctx context.Context, l Lease) error
	// Records reads what is not about one key.
	Records
}

// Records are the audit and the enrolments.
type Records interface {
	// Entries of the audit after seq, in order.
	Entries(ctx context.Context, after int64) iter.Seq2[Entry, error]
	// Heads that were sealed, of entries after seq, in order.
	Heads(ctx context.Context, after int64) iter.Seq2[Head, error]
	// Told is what the audit tells of one subject, at one moment; "" its end alone.
	Told(ctx context.Context, subject string) (Told, error)
	// Enrolments of tokens and targets, in order of kind and name.
	Enrolments(ctx context.Context) ([]Enrolment, error)
	// WrappingKeys that were kept of a target, the newest first; "" of all of them.
	WrappingKeys(ctx context.Context, target string) ([]KeptWrappingKey, error)
	// Retained is wrapped material that is kept, in order of key id and number.
	Retained(ctx context.Context, f RetainedFilter) iter.Seq2[Retained, error]
	// Keepers are the keeper keys on record, the newest first.
	Keepers(ctx context.Context) ([]KeptKeeper, error)
}

// Ended is the audit's end: its last entry and the last head that was sealed, which is
// that entry's where nobody changed either. Zero where there is none.
type Ended struct {
	Entry Entry
	Head  Head
}

// Told is what the audit tells of one subject.
type Told struct {
	Ended
	Path    IndexPath // of the subject, over all entries before the last
	Entries []Entry   // about the subject, oldest first
	// Heads of those of Entries that were written before there was an index, by number.
	Heads map[int64]Head
}

// Change is everything one step writes. What is nil is not written; what is
// there replaces what was stored under its identity.
type Change struct {
	// Entry is appended to the audit. Required.
	Entry Entry
	// NewKey inserts a key: Conflict when its name or id exists.
	NewKey *Key
	// NewVersion inserts a version: Conflict when its number exists.
	NewVersion *KeyVersion
	Version    *KeyVersion
	Placements []Placement // inserted or replaced
	// NewOperation inserts an operation; Operation replaces one.
	NewOperation *Operation
	Operation    *Operation
	// Intent inserts an effect without a result: Conflict when it exists.
	Intent *EffectRecord
	// Result sets the result of an effect that was intended.
	Result *EffectRecord
	// Enrolment inserts or replaces one.
	Enrolment *Enrolment
	// WrappingKey inserts or replaces one that is kept.
	WrappingKey *KeptWrappingKey
	// Retained inserts or replaces the record of a version's wrapped material.
	Retained *Retained
	// Keepers are inserted or replaced, in order: Conflict where a token would have two
	// that are intended or current.
	Keepers []KeptKeeper
	// Soft: a power failure may take it back, together with all that was written since; the
	// end of the process does not. For what a restart finds out anew without having to
	// repeat an effect: never for an intent.
	Soft bool
	// Lease, when set, must still be held by its holder, else Conflict.
	Lease *Lease
	// Trust, when set, is called inside the transaction with the audit's end, to which
	// the change's entry will be chained. An error of it refuses the change.
	Trust func(Ended) error
	// Seal, when set, is called with the new head inside the transaction; the
	// sealed head is kept, and the entry carries the index's state. An error of it
	// undoes the change.
	Seal func(Head) ([]byte, error)
}

// Lease is the right of one process to write one key until a time.
type Lease struct {
	Name   string // "key/payments/db"
	Holder string // who, so that a dead one is recognised
	Until  time.Time
	Now    time.Time
	// Stale says whether the holder found there is known to be dead: its lease
	// is then taken at once. nil: it is waited out.
	Stale func(holder string) bool
	// Release gives it back instead.
	Release bool
}

// KeyFilter selects keys; empty fields select all.
type KeyFilter struct {
	ID            string     // of the key
	Material      MaterialID // of some version
	Target        string
	Name          string // Placement.OurName of some placement, upper and lower case alike
	Owner         string
	State         State
	Tags          map[string]string
	ValidToBefore time.Time // some placement has a valid-to before it
}

// OperationFilter selects operations; empty fields select all.
type OperationFilter struct {
	KeyName string
	States  []OperationState // as OperationView.Standing tells them
	Limit   int              // 0: all
}
