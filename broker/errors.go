package broker

import (
	"errors"
	"strings"
	"time"
)

// Kind classifies an error by what the caller may do about it. A Kind is itself
// an error, so that errors.Is(err, broker.NotFound) asks for it.
type Kind string

// The kinds of error that providers, tokens and the store answer with.
const (
	NotFound    Kind = "not found"
	Conflict    Kind = "conflict"    // something is there already, and it differs
	Unsupported Kind = "unsupported" // can never work here; nothing happened
	Denied      Kind = "denied"      // credentials, permission, PIN, policy
	Expired     Kind = "expired"     // import token, credentials, material
	Rejected    Kind = "rejected"    // final answer: the same call will fail again
	Throttled   Kind = "throttled"   // nothing happened; Error.RetryAfter says when
	Unclear     Kind = "unclear"     // the effect is unknown: look before acting
	Unavailable Kind = "unavailable" // a read failed, or nothing was reached: try again
	Undecided   Kind = "undecided"   // a person must choose
	Misuse      Kind = "misuse"      // the request itself is wrong
	Tampered    Kind = "tampered"    // a sealed record does not match
	Differs     Kind = "differs"     // other material than it should be: a failed proof
)

// Error names the kind, so that a Kind can be wrapped with %w.
func (k Kind) Error() string { return string(k) }

// Error tells a person what happened, to what, why, whether anything was
// changed, and what to do. Adapters fill Kind, Op, Object and Cause; the broker
// adds Changed and Hint where it knows them.
type Error struct {
	Kind       Kind
	Op         string        // verb: "import key material"
	Object     string        // what it was done to: "arn:aws:kms:…", "key payments/db"
	Cause      error         // may be nil
	RetryAfter time.Duration // for Throttled; 0 means unknown
	Permission string        // for Denied: the permission that is missing, "kms:CreateKey"
	Changed    string        // what was changed; "" means nothing was
	Hint       string        // what to do, one sentence or command
	Seen       []Sighting    // for Undecided: what a person must judge
}

// Error is one line: verb object: kind: cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(e.Op + " " + e.Object))
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Cause == nil || !strings.Contains(e.Cause.Error(), string(e.Kind)) {
		b.WriteString(string(e.Kind))
		if e.Cause != nil {
			b.WriteString(": ")
		}
	}
	if e.Cause != nil {
		b.WriteString(e.Cause.Error())
	}
	if e.Permission != "" {
		b.WriteString(" (permission " + e.Permission + ")")
	}
	return b.String()
}

// Unwrap gives both the kind and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// KindOf is the outermost kind in err's tree; Unclear where there is none,
// because an error nobody classified says nothing about its effect.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Unclear
}

// askedError is one of a target's, when it was asked something: not of the store, the
// token, or a record that does not match.
type askedError struct{ error }

// Unwrap implements the convention of package errors.
func (e askedError) Unwrap() error { return e.error }

// ofTarget reports whether an error says no more than that one target could not be
// asked.
func ofTarget(err error) bool {
	_, asked := errors.AsType[askedError](err)
	return asked && !errors.Is(err, Tampered)
}
