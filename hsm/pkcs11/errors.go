package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// callError is what a PKCS #11 call returned.
type callError struct {
	call    string
	rv      p11.Error
	changes bool // the call may have changed what is stored in the token
}

// Error is "C_WrapKey: CKR_KEY_UNEXTRACTABLE".
func (e *callError) Error() string { return e.call + ": " + codeOf(e.rv).name }

// Unwrap gives the bare code.
func (e *callError) Unwrap() error { return e.rv }

func (e *callError) kind() broker.Kind {
	switch kind := codeOf(e.rv).kind; {
	case kind != "":
		return kind
	case e.changes:
		return broker.Unclear
	default:
		return broker.Unavailable
	}
}

// named puts the name of the call into its error.
func named(call string, changes bool, err error) error {
	if err == nil {
		return nil
	}
	if rv, ok := errors.AsType[p11.Error](err); ok {
		return &callError{call: call, rv: rv, changes: changes}
	}
	return fmt.Errorf("%s: %w", call, err)
}

// is reports whether err came from one of these codes.
func is(err error, codes ...p11.Error) bool {
	rv, ok := errors.AsType[p11.Error](err)
	for _, c := range codes {
		if ok && rv == c {
			return true
		}
	}
	return false
}

// failed makes err the broker's: what was done, to what, and the kind of it. An
// error that is the broker's already stays as it is.
func failed(op, object string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*broker.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: %w", op, object, err)
	}
	e := &broker.Error{Kind: broker.Unavailable, Op: op, Object: object, Cause: err}
	if call, ok := errors.AsType[*callError](err); ok {
		e.Kind, e.Hint = call.kind(), hint(call.rv)
	}
	return e
}

// hint says what a person can do about the codes that only a person can clear.
func hint(rv p11.Error) string {
	switch rv {
	case p11.CKR_DEVICE_MEMORY:
		return "the token is full: destroy objects it no longer needs, or enlarge the partition"
	case p11.CKR_TOKEN_WRITE_PROTECTED, p11.CKR_SESSION_READ_ONLY:
		return "the token is write-protected: unlock it with its vendor's tool"
	case p11.CKR_PIN_INCORRECT, p11.CKR_PIN_LEN_RANGE, p11.CKR_PIN_INVALID:
		return "the PIN was tried once and is not tried again; correct it where it is kept"
	case p11.CKR_PIN_LOCKED:
		return "the security officer can unlock the PIN with the vendor's tool"
	default:
		return ""
	}
}

// refuse is an error of our own making.
func refuse(kind broker.Kind, op, object, format string, args ...any) error {
	return &broker.Error{Kind: kind, Op: op, Object: object, Cause: fmt.Errorf(format, args...)}
}
