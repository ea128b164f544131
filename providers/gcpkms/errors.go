package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// kinds is the one table from gRPC's codes, as a server answered them, to the
// broker's kinds (google/rpc/code.proto). Each of them says that nothing was changed.
// What is not in it (server faults, broken connections, answers cut short) is Unclear
// on a changing call and Unavailable on a read.
var kinds = map[codes.Code]broker.Kind{
	codes.NotFound:           broker.NotFound,
	codes.AlreadyExists:      broker.Conflict,
	codes.FailedPrecondition: broker.Conflict,
	codes.InvalidArgument:    broker.Rejected,
	codes.OutOfRange:         broker.Rejected,
	codes.Unimplemented:      broker.Unsupported,
	codes.PermissionDenied:   broker.Denied,
	codes.Unauthenticated:    broker.Denied,
	codes.ResourceExhausted:  broker.Throttled,
}

// kindOf an error by the table, and of failures to get that far; "" is in neither.
func (p *Provider) kindOf(rec *record, err error) broker.Kind {
	if own, ok := errors.AsType[*broker.Error](err); ok {
		return own.Kind // nothing was sent
	}
	if refused, ok := errors.AsType[*tokenError](err); ok {
		return refused.kind
	}
	if !rec.sent && p.untrusted() != nil {
		return broker.Denied
	}
	if !rec.answered || tooLarge(err) {
		return ""
	}
	return kinds[status.Code(err)]
}

// tooLarge: gRPC says RESOURCE_EXHAUSTED, itself, of an answer beyond our bound.
func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.HasPrefix(status.Convert(err).Message(), "grpc: ")
}

// untrusted is why the endpoint's certificate was refused; nil where it was not.
func (p *Provider) untrusted() error {
	if failed := p.wire.handshake.Load(); failed != nil {
		return failed.err
	}
	return nil
}

// translate says a failed call in the broker's words.
func (p *Provider) translate(ctx context.Context, c call, rec *record, err error) error {
	details := detailsOf(err)
	out := &broker.Error{Kind: p.kindOf(rec, err), Op: c.verb, Object: c.object, Cause: p.cause(ctx, rec, err)}
	switch {
	case out.Kind == "" && c.changes && rec.sent:
		out.Kind = broker.Unclear
	case out.Kind == "", out.Kind == broker.Unavailable:
		out.Kind, out.Hint = broker.Unavailable, remedy(rec, err)
	case out.Kind == broker.Throttled:
		out.RetryAfter = details.retryAfter
	case out.Kind == broker.Denied:
		out.Permission, out.Hint = missing(c, details, err), p.advice(rec, details, err)
	}
	return out
}

// details are what google.rpc.Status carries beside its code.
type details struct {
	reason, permission string
	retryAfter         time.Duration
}

func detailsOf(err error) details {
	var out details
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			out.reason, out.permission = d.GetReason(), d.GetMetadata()["permission"]
		case *errdetails.RetryInfo:
			out.retryAfter = max(d.GetRetryDelay().AsDuration(), 0)
		}
	}
	return out
}

// denial finds the permission that a refusal names: it can be another than the
// call's.
var (
	denial    = lazyregexp.New(`[Pp]ermission '?([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)'?`)
	permitted = lazyregexp.New(`^[a-z]+\.[a-zA-Z]+\.[a-zA-Z]+$`)
)

// missing is the permission that a refusal is about; "" where it is about the
// credentials themselves.
func missing(c call, d details, err error) string {
	if refused, ok := errors.AsType[*tokenError](err); ok {
		return refused.permission
	}
	if status.Code(err) != codes.PermissionDenied || d.reason == "SERVICE_DISABLED" {
		return ""
	}
	if permitted().MatchString(d.permission) {
		return d.permission
	}
	if named := denial().FindStringSubmatch(status.Convert(err).Message()); named != nil {
		return named[1]
	}
	return permissionOf[c.name]
}

// maxSkew is how far a token's times may be off before Google refuses it.
const maxSkew = 5 * time.Minute

// advice tells the usual reasons for a refusal apart.
func (p *Provider) advice(rec *record, d details, err error) string {
	if _, ok := errors.AsType[*tokenError](err); ok {
		return "nothing was sent to KMS; check the credentials, and who may impersonate whom"
	}
	if !rec.sent {
		return "nothing was sent; check the endpoint, and the CA that the target's config names"
	}
	if d.reason == "SERVICE_DISABLED" {
		return "gcloud services enable cloudkms.googleapis.com --project " + p.c.Project
	}
	if at := rec.receipt.ServerTime; status.Code(err) == codes.Unauthenticated && !at.IsZero() && rec.localTime.Sub(at).Abs() > maxSkew {
		return fmt.Sprintf("this machine's clock is %s off the provider's: set it right", rec.localTime.Sub(at).Round(time.Second))
	}
	return ""
}

// remedy is what a person can do where nothing was sent, not even once.
func remedy(rec *record, err error) string {
	if _, ok := errors.AsType[*tokenError](err); ok {
		return "give this process credentials: credentials_file in the target's config, GOOGLE_APPLICATION_CREDENTIALS, or a service account of this machine"
	}
	if rec.sent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	return "nothing was sent; check the target's endpoint and the network, and try again"
}

// cause takes gRPC's wrapping away: code and message for an answer, what happened for
// everything else.
func (p *Provider) cause(ctx context.Context, rec *record, err error) error {
	if failed := p.untrusted(); failed != nil && !rec.sent {
		return failed
	}
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return err
	case rec.answered && !tooLarge(err):
		return &answered{s.Code(), plain(s.Message()), err}
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", plain(s.Message()), context.Cause(ctx))
	default:
		return &answered{s.Code(), plain(s.Message()), err}
	}
}

// maxMessage is the most of an endpoint's own text that is passed on, in bytes.
const maxMessage = 2000

// plain is an endpoint's text without what could forge a line or move a cursor.
func plain(text string) string { return broker.Printable(text, maxMessage) }

// answered is an error that Google answered with, or gRPC in its place.
type answered struct {
	code    codes.Code
	message string
	err     error
}

// Error is the code and what was said about it.
func (a *answered) Error() string {
	if a.message == "" {
		return a.code.String()
	}
	return a.code.String() + ": " + a.message
}

// Unwrap gives gRPC's error.
func (a *answered) Unwrap() error { return a.err }

// incomplete is an answer that lacks what it must have: of a changing call nobody
// knows what it did.
func incomplete(c call, what string) error {
	return unusable(c, fmt.Errorf("the answer has no %s", what))
}

// unusable is an answer that cannot be believed.
func unusable(c call, why error) error {
	kind := broker.Unavailable
	if c.changes {
		kind = broker.Unclear
	}
	return &broker.Error{Kind: kind, Op: c.verb, Object: c.object, Cause: why}
}

// refuse is a refusal of the adapter's own.
func refuse(kind broker.Kind, verb, object, format string, args ...any) error {
	return &broker.Error{Kind: kind, Op: verb, Object: object, Cause: fmt.Errorf(format, args...)}
}
