package awskms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/smithy-go"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// kinds is the one table from AWS's error codes (KMS API reference, "Common
// Errors", STS) to the broker's kinds. Each of them says that nothing was changed.
// What is not in it (server faults, broken connections, answers cut short) is
// Unclear on a changing call and Unavailable on a read.
var kinds = map[string]broker.Kind{
	"NotFoundException": broker.NotFound,

	"AlreadyExistsException":   broker.Conflict,
	"ConflictException":        broker.Conflict,
	"DisabledException":        broker.Conflict,
	"KMSInvalidStateException": broker.Conflict,

	"InvalidKeyUsageException":      broker.Unsupported,
	"UnknownOperationException":     broker.Unsupported,
	"UnsupportedOperationException": broker.Unsupported,

	"ExpiredImportTokenException": broker.Expired,
	"ExpiredToken":                broker.Expired,
	"ExpiredTokenException":       broker.Expired,

	"IncorrectKeyException":            broker.Rejected,
	"IncorrectKeyMaterialException":    broker.Differs,
	"InvalidAliasNameException":        broker.Rejected,
	"InvalidArnException":              broker.Rejected,
	"InvalidCiphertextException":       broker.Rejected,
	"InvalidImportTokenException":      broker.Rejected,
	"InvalidMarkerException":           broker.Rejected,
	"KMSInvalidMacException":           broker.Rejected,
	"KMSInvalidSignatureException":     broker.Rejected,
	"LimitExceededException":           broker.Rejected,
	"MalformedPolicyDocumentException": broker.Rejected,
	"SerializationException":           broker.Rejected,
	"TagException":                     broker.Rejected,
	"ValidationError":                  broker.Rejected,
	"ValidationException":              broker.Rejected,

	"AccessDenied":                           broker.Denied,
	"AccessDeniedException":                  broker.Denied,
	"IncompleteSignature":                    broker.Denied,
	"IncompleteSignatureException":           broker.Denied,
	"InvalidAccessKeyId":                     broker.Denied,
	"InvalidClientTokenId":                   broker.Denied,
	"InvalidSignatureException":              broker.Denied,
	"MissingAuthenticationToken":             broker.Denied,
	"MissingAuthenticationTokenException":    broker.Denied,
	"NotAuthorized":                          broker.Denied,
	"OptInRequired":                          broker.Denied,
	"RequestExpired":                         broker.Denied,
	"SignatureDoesNotMatch":                  broker.Denied,
	"UnrecognizedClientException":            broker.Denied,
	"InvalidIdentityToken":                   broker.Denied,
	"RegionDisabledException":                broker.Denied,
	"RequestLimitExceeded":                   broker.Throttled,
	"RequestThrottledException":              broker.Throttled,
	"SlowDown":                               broker.Throttled,
	"Throttling":                             broker.Throttled,
	"ThrottlingException":                    broker.Throttled,
	"ThrottledException":                     broker.Throttled,
	"TooManyRequestsException":               broker.Throttled,
	"ProvisionedThroughputExceededException": broker.Throttled,
}

// kindOf an error by the table; "" is not in it.
func kindOf(err error) broker.Kind {
	if own, ok := errors.AsType[*broker.Error](err); ok {
		return own.Kind // nothing was sent
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return kinds[api.ErrorCode()]
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return broker.Denied
	}
	return ""
}

// passing reports whether a read may be tried again at once.
func passing(err error) bool {
	return kindOf(err) == "" && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// translate says a failed call in the broker's words.
func translate(c call, rec *record, err error) error {
	out := &broker.Error{Kind: kindOf(err), Op: c.verb, Object: c.object, Cause: cause(err)}
	switch {
	case out.Kind == "" && c.changes && rec.sent:
		out.Kind = broker.Unclear
	case out.Kind == "":
		out.Kind, out.Hint = broker.Unavailable, remedy(rec, err)
	case out.Kind == broker.Throttled:
		out.RetryAfter = rec.retryAfter
	case out.Kind == broker.Denied:
		out.Permission, out.Hint = missing(c, err), advice(rec, err)
	}
	return out
}

// denial finds the action that a refusal names: it can be another than the call,
// kms:TagResource in a CreateKey.
var denial = lazyregexp.New(`perform: ((?:kms|sts|iam):[A-Za-z]+)`)

// missing is the permission that a refusal is about; "" where it is about the
// credentials themselves.
func missing(c call, err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != "AccessDenied" && api.ErrorCode() != "AccessDeniedException" {
		return ""
	}
	if named := denial().FindStringSubmatch(api.ErrorMessage()); named != nil {
		return named[1]
	}
	if within(err, "STS", "AssumeRole") {
		return "sts:AssumeRole"
	}
	if c.name == identityCall {
		return "sts:" + c.name
	}
	return "kms:" + c.name
}

// within reports whether an operation of a service is in the error's chain: a role
// is assumed inside the call that needs it.
func within(err error, service, operation string) bool {
	for op, ok := errors.AsType[*smithy.OperationError](err); ok; op, ok = errors.AsType[*smithy.OperationError](op.Err) {
		if op.Service() == service && op.Operation() == operation {
			return true
		}
	}
	return false
}

// maxSkew is how far a request's time may be off (Signature Version 4).
const maxSkew = 5 * time.Minute

// advice tells the usual reasons for a refusal apart.
func advice(rec *record, err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "nothing was sent; check the endpoint, and the CA that the target's config names"
	}
	if at := rec.receipt.ServerTime; !at.IsZero() && rec.localTime.Sub(at).Abs() > maxSkew {
		return fmt.Sprintf("this machine's clock is %s off the provider's: set it right", rec.localTime.Sub(at).Round(time.Second))
	}
	return ""
}

// remedy is what a person can do where nothing was sent, not even once.
func remedy(rec *record, err error) string {
	if rec.sent || !passing(err) {
		return ""
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return "give this process credentials of the target's account: AWS_PROFILE, the profile in the target's config, or a role of this machine"
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "nothing was sent; check the target's endpoint and the network, and try again"
	}
	return ""
}

// cause takes an SDK error's wrapping away: code and message for AWS's own answer,
// what happened for everything else.
func cause(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return &answered{plain(api.ErrorCode()), plain(api.ErrorMessage()), err}
	}
	if none, ok := errors.AsType[*credentialsError](err); ok {
		return none
	}
	if own, ok := errors.AsType[*broker.Error](err); ok {
		return own
	}
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}

// maxMessage is the most of an endpoint's own text that is passed on, in bytes.
const maxMessage = 2000

// plain is an endpoint's text without what could forge a line or move a cursor.
func plain(text string) string { return broker.Printable(text, maxMessage) }

// answered is an error that AWS answered with.
type answered struct {
	code, message string
	err           error
}

// Error is the code and what AWS said about it.
func (a *answered) Error() string {
	if a.message == "" {
		return a.code
	}
	return a.code + ": " + a.message
}

// Unwrap gives the SDK's error.
func (a *answered) Unwrap() error { return a.err }

// incomplete is an answer that lacks what it must have: of a changing call nobody
// knows what it did.
func incomplete(c call, what string) error {
	kind := broker.Unavailable
	if c.changes {
		kind = broker.Unclear
	}
	return &broker.Error{Kind: kind, Op: c.verb, Object: c.object, Cause: fmt.Errorf("the answer has no %s", what)}
}

// refuse is a refusal of the adapter's own, before anything was sent.
func refuse(kind broker.Kind, verb, object, format string, args ...any) error {
	return &broker.Error{Kind: kind, Op: verb, Object: object, Cause: fmt.Errorf(format, args...)}
}
