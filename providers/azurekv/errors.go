package azurekv

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/keyferry/keyferry/broker"
)

// kinds is the one table from Key Vault's answers ("REST API error codes") to the
// broker's kinds: first by the inner code, then by the status. Each of them says that
// nothing was changed. What is not in it (server faults, time-outs, broken
// connections) is Unclear on a changing call and Unavailable on a read.
var (
	innerKinds = map[string]broker.Kind{
		deletedButRecoverable:    broker.Conflict,
		"ObjectIsBeingDeleted":   broker.Unavailable, // passing
		"ObjectIsBeingRecovered": broker.Unavailable,
		"KeyTypeNotSupported":    broker.Unsupported,
	}
	statusKinds = map[int]broker.Kind{
		http.StatusBadRequest:       broker.Rejected,
		http.StatusUnauthorized:     broker.Denied,
		http.StatusForbidden:        broker.Denied,
		http.StatusNotFound:         broker.NotFound,
		http.StatusMethodNotAllowed: broker.Unsupported,
		http.StatusConflict:         broker.Conflict,
		http.StatusTooManyRequests:  broker.Throttled,
	}
)

// Inner codes that mean more than their kind.
const (
	deletedButRecoverable = "ObjectIsDeletedButRecoverable"
	keyDisabled           = "KeyDisabled"
)

// kindOf an error by the table; "" is not in it.
func kindOf(c call, err error, a *answer) broker.Kind {
	if e, ok := errors.AsType[*broker.Error](err); ok {
		return e.Kind
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return broker.Denied
	}
	if refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return refusedToken(refused.RawResponse)
	}
	switch {
	case a == nil:
		return ""
	case a.passing():
		return broker.Unavailable
	case a.byState() && c.name == "ImportKey":
		return broker.Expired // it asks nothing of the key but its name: this is the KEK's state
	case a.byState():
		return broker.Conflict
	}
	for _, code := range []string{a.inner, a.code} {
		if k, ok := innerKinds[code]; ok {
			return k
		}
	}
	return statusKinds[a.status]
}

// refusedToken is what came of asking for a token: nothing went to the vault.
func refusedToken(r *http.Response) broker.Kind {
	switch {
	case r == nil || r.StatusCode >= http.StatusInternalServerError || r.StatusCode == http.StatusRequestTimeout:
		return ""
	case r.StatusCode == http.StatusTooManyRequests:
		return broker.Throttled
	default:
		return broker.Denied
	}
}

// translate says a failed call in the broker's words.
func (p *Provider) translate(c call, rec *record, err error) error {
	a := answerOf(err)
	out := &broker.Error{Kind: kindOf(c, err, a), Op: c.verb, Object: c.object, Cause: cause(err, a)}
	switch {
	case out.Kind == "" && c.changes && rec.sent:
		out.Kind = broker.Unclear
	case out.Kind == "":
		out.Kind, out.Hint = broker.Unavailable, remedy(rec, err)
	case out.Kind == broker.Throttled:
		out.RetryAfter = whenAgain(rec, err)
	case out.Kind == broker.Denied:
		out.Permission, out.Hint = p.missing(c, a), advice(rec, err, a)
	case a != nil && a.inner == deletedButRecoverable:
		out.Hint = waysOut(c.key)
	}
	if e, ok := errors.AsType[*broker.Error](err); ok {
		out.Hint = e.Hint
	}
	return out
}

// incomplete is an answer that lacks what it must have, or has what it must not: of a
// changing call nobody knows what it did.
func incomplete(c call, format string, args ...any) error {
	kind := broker.Unavailable
	if c.changes {
		kind = broker.Unclear
	}
	return &broker.Error{Kind: kind, Op: c.verb, Object: c.object, Cause: fmt.Errorf("the answer "+format, args...)}
}

// refuse is a refusal of the adapter's own.
func refuse(kind broker.Kind, verb, object, format string, args ...any) error {
	return &broker.Error{Kind: kind, Op: verb, Object: plain(object), Cause: fmt.Errorf(format, args...)}
}
