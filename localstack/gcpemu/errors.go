package gcpemu

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyferry/keyferry/localstack/faults"
)

// domain is that of ErrorInfo.
const domain = "googleapis.com"

// refuse is an error as the API answers it.
func refuse(code codes.Code, format string, args ...any) error {
	return status.Error(code, fmt.Sprintf(format, args...))
}

// explain adds details to an error of refuse.
func explain(err error, details ...protoadapt.MessageV1) error {
	with, failed := status.Convert(err).WithDetails(details...)
	if failed != nil {
		return refuse(codes.Internal, "add details: %v", failed)
	}
	return with.Err()
}

// notFound is Google's wording for a resource that is not there.
func notFound(kind, name string) error {
	return refuse(codes.NotFound, "%s %s not found.", kind, name)
}

// denied names the permission that is missing, in Google's words.
func denied(permission, resource string) error {
	err := refuse(codes.PermissionDenied, "Permission '%s' denied on resource '%s' (or it may not exist).", permission, resource)
	return explain(err, &errdetails.ErrorInfo{
		Reason: "IAM_PERMISSION_DENIED", Domain: "cloudkms." + domain,
		Metadata: map[string]string{"permission": permission, "resource": resource},
	})
}

// unauthenticated has the reason by which clients tell expired tokens.
func unauthenticated(reason, words string) error {
	return explain(refuse(codes.Unauthenticated, "%s", words), &errdetails.ErrorInfo{
		Reason: reason, Domain: domain, Metadata: map[string]string{"service": "cloudkms." + domain},
	})
}

// names are the codes as google.rpc.Code spells them, with the HTTP status that its
// comments map them to.
var names = map[codes.Code]struct {
	text   string
	status int
}{
	codes.OK:                 {"OK", http.StatusOK},
	codes.Canceled:           {"CANCELLED", 499},
	codes.Unknown:            {"UNKNOWN", http.StatusInternalServerError},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
	codes.NotFound:           {"NOT_FOUND", http.StatusNotFound},
	codes.AlreadyExists:      {"ALREADY_EXISTS", http.StatusConflict},
	codes.PermissionDenied:   {"PERMISSION_DENIED", http.StatusForbidden},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", http.StatusBadRequest},
	codes.Aborted:            {"ABORTED", http.StatusConflict},
	codes.OutOfRange:         {"OUT_OF_RANGE", http.StatusBadRequest},
	codes.Unimplemented:      {"UNIMPLEMENTED", http.StatusNotImplemented},
	codes.Internal:           {"INTERNAL", http.StatusInternalServerError},
	codes.Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable},
	codes.DataLoss:           {"DATA_LOSS", http.StatusInternalServerError},
	codes.Unauthenticated:    {"UNAUTHENTICATED", http.StatusUnauthorized},
}

// codeNamed reads a code as a fault rule spells it, "NOT_FOUND" or "NotFound".
func codeNamed(text string) codes.Code {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	for code, n := range names {
		if plain(n.text) == plain(text) {
			return code
		}
	}
	return codes.Unknown
}

// failure is an error on its way through the fault engine.
func failure(err error) faults.Answer {
	s := status.Convert(err)
	body, failed := proto.Marshal(s.Proto())
	if failed != nil {
		return failure(refuse(codes.Internal, "encode error: %v", failed))
	}
	n := names[s.Code()]
	return faults.Answer{Status: n.status, Code: n.text, Body: body, Header: http.Header{}}
}

// success is a message on its way through the fault engine.
func success(m proto.Message) faults.Answer {
	body, err := proto.Marshal(m)
	if err != nil {
		return failure(refuse(codes.Internal, "encode answer: %v", err))
	}
	return faults.Answer{Status: http.StatusOK, Body: body, Header: http.Header{}}
}

// read is what the fault engine hands back: into out, or an error. A time to wait
// becomes RetryInfo.
func read(a faults.Answer, out proto.Message) error {
	if a.Code == "" {
		return proto.Unmarshal(a.Body, out)
	}
	var s spb.Status
	if err := proto.Unmarshal(a.Body, &s); err != nil {
		return err
	}
	err := status.ErrorProto(&s)
	if seconds, failed := strconv.Atoi(a.Header.Get("Retry-After")); failed == nil {
		err = explain(err, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Duration(seconds) * time.Second)})
	}
	return err
}
