package azurekv

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/keyferry/keyferry/broker"
)

// kinds is the one table from Key Vault's answers ("REST API error codes") to the
// broker's kinds: first by the inner code, then by the status. Each of them says that
// nothing was changed. What is not in it (server faults, time-outs, broken
// connections) is Unclear on a changing call and Unavailable on a read.
var (
	innerKinds = map[string]broker.Kind{
		"ObjectIsDeletedButRecoverable": broker.Conflict,
		"ObjectIsBeingDeleted":          broker.Unavailable, // passing
		"ObjectIsBeingRecovered":        broker.Unavailable,
		"KeyDisabled":                   broker.Conflict,
		"KeyNotYetValid":                broker.Conflict,
		"KeyExpired":                    broker.Conflict,
		"KeyTypeNotSupported":           broker.Unsupported,
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

// answer is what a refusal says (Key Vault's error envelope).
type answer struct {
	status         int
	code, inner    string
	message        string
	errorOfTheKind error
}

// Error is the codes and what was said about them.
func (a *answer) Error() string {
	words := []string{fmt.Sprint(a.status)}
	for _, w := range []string{a.code, a.inner, a.message} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ": ")
}

// Unwrap gives the SDK's error.
func (a *answer) Unwrap() error { return a.errorOfTheKind }

// answerOf reads a refusal; nil where the vault gave none.
func answerOf(err error) *answer {
	refused, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return nil
	}
	a := &answer{status: refused.StatusCode, code: plain(refused.ErrorCode), errorOfTheKind: err}
	if refused.RawResponse == nil || refused.RawResponse.Body == nil {
		return a
	}
	body, _ := io.ReadAll(refused.RawResponse.Body) // the SDK keeps it in memory
	var envelope struct {
		Error struct {
			Message    string `json:"message"`
			InnerError *inner `json:"innererror"` // any case matches: one page writes innerError
		} `json:"error"`
	}
	if json.Unmarshal(body, &envelope) == nil {
		a.message = plain(envelope.Error.Message)
		if envelope.Error.InnerError != nil {
			a.inner = plain(envelope.Error.InnerError.Code)
		}
	}
	return a
}

type inner struct {
	Code string `json:"code"`
}

// kindOf an error by the table; "" is not in it.
func kindOf(err error, a *answer) broker.Kind {
	if e, ok := errors.AsType[*broker.Error](err); ok {
		return e.Kind
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return broker.Denied
	}
	if refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		if refused.RawResponse != nil && refused.RawResponse.StatusCode < http.StatusInternalServerError {
			return broker.Denied
		}
		return ""
	}
	if a == nil {
		return ""
	}
	for _, code := range []string{a.inner, a.code} {
		if k, ok := innerKinds[code]; ok {
			return k
		}
	}
	return statusKinds[a.status]
}

// translate says a failed call in the broker's words.
func (p *Provider) translate(c call, rec *record, err error) error {
	a := answerOf(err)
	out := &broker.Error{Kind: kindOf(err, a), Op: c.verb, Object: c.object, Cause: cause(err, a)}
	switch {
	case out.Kind == "" && c.changes && rec.sent:
		out.Kind = broker.Unclear
	case out.Kind == "":
		out.Kind, out.Hint = broker.Unavailable, remedy(rec, err)
	case out.Kind == broker.Throttled:
		out.RetryAfter = rec.retryAfter
	case out.Kind == broker.Denied:
		out.Permission, out.Hint = p.missing(c, a), advice(rec, err)
	case a != nil && a.inner == "ObjectIsDeletedButRecoverable":
		out.Hint = waysOut(c.keyName(p))
	}
	if e, ok := errors.AsType[*broker.Error](err); ok {
		out.Hint = e.Hint
	}
	return out
}

// waysOut of a name that is deleted and not free.
func waysOut(name string) string {
	return fmt.Sprintf("recover it (az keyvault key recover --name %s), purge it (az keyvault key purge --name %s, unless the vault is protected "+
		"from that), or import under another name", name, name)
}

// denial finds the data action that a refusal names.
var denial = regexp.MustCompile(`Microsoft\.KeyVault/[A-Za-z]+/keys/[A-Za-z/]+`)

// missing is the data action that a refusal is about; "" where it is about the
// credentials themselves.
func (p *Provider) missing(c call, a *answer) string {
	if a == nil || a.status != http.StatusForbidden {
		return ""
	}
	if named := denial.FindString(a.message); named != "" {
		return named
	}
	return p.c.actionOf(c.name)
}

// maxSkew is how far a token's times may be off.
const maxSkew = 5 * time.Minute

// advice tells the usual reasons for a refusal apart.
func advice(rec *record, err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "nothing was sent; check the vault, and the CA that the target's config names"
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return "nothing was sent to the vault; check the credentials and the tenant in the target's config"
	}
	if at := rec.receipt.ServerTime; !at.IsZero() && rec.localTime.Sub(at).Abs() > maxSkew {
		return fmt.Sprintf("this machine's clock is %s off the provider's: set it right", rec.localTime.Sub(at).Round(time.Second))
	}
	return ""
}

// remedy is what a person can do where nothing was sent, not even once.
func remedy(rec *record, err error) string {
	if rec.sent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "nothing was sent; check the target's vault and authority, and the network, and try again"
	}
	return "give this process credentials of the target's tenant: credentials in the target's config, or what the SDK's default chain finds"
}

// cause takes the SDK's wrapping away.
func cause(err error, a *answer) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && e.Cause != nil {
		return e.Cause
	}
	if a != nil {
		return a
	}
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport
	}
	return errors.New(plain(err.Error()))
}

// maxMessage is the most of an endpoint's own text that is passed on, in bytes.
const maxMessage = 2000

// plain is an endpoint's text without what could forge a line, move a cursor or be
// refused by a record.
func plain(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxMessage)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
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
	return &broker.Error{Kind: kind, Op: verb, Object: object, Cause: fmt.Errorf(format, args...)}
}
