package gcpkms_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// answers is what gRPC's codes mean, written down apart from the adapter's table; ""
// says nothing about what happened.
var answers = map[codes.Code]broker.Kind{
	codes.NotFound:           broker.NotFound,
	codes.AlreadyExists:      broker.Conflict,
	codes.FailedPrecondition: broker.Conflict,
	codes.InvalidArgument:    broker.Rejected,
	codes.OutOfRange:         broker.Rejected,
	codes.Unimplemented:      broker.Unsupported,
	codes.PermissionDenied:   broker.Denied,
	codes.Unauthenticated:    broker.Denied,
	codes.ResourceExhausted:  broker.Throttled,

	codes.Canceled:         "",
	codes.Unknown:          "",
	codes.DeadlineExceeded: "",
	codes.Aborted:          "",
	codes.Internal:         "",
	codes.Unavailable:      "",
	codes.DataLoss:         "",
	codes.Code(99):         "",
}

// TestCodesAreKinds: and whatever is answered, a change is sent once, and so is a read.
func TestCodesAreKinds(t *testing.T) {
	t.Parallel()
	for code, kind := range answers {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			s := newScript(t, failing(code, "because"))
			p := adapter(t, s)
			_, err := p.Do(t.Context(), effect(broker.StepWithhold), numbered("1"), broker.Action{Kind: broker.Disable})
			want := kind
			if kind == "" {
				want = broker.Unclear
			}
			e := inWords(t, err)
			if e.Kind != want || e.Op != "disable" || e.Object != keyName+"/cryptoKeyVersions/1" || !strings.Contains(e.Error(), "because") {
				t.Errorf("change: %s of %q: %v", e.Kind, e.Op+" "+e.Object, e)
			}
			_, err = p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: *ref(), Mechanism: broker.KWPSHA256})
			if kind == "" {
				want = broker.Unavailable
			}
			if e := inWords(t, err); e.Kind != want {
				t.Errorf("read: %v", e)
			}
			if rpcs := s.rpcs(); !slices.Equal(rpcs, []string{"UpdateCryptoKeyVersion", "GetCryptoKey"}) {
				t.Errorf("sent %v", rpcs)
			}
		})
	}
}

// TestWhatIsNotThereIsSeenAsNothing: to look for it is no error.
func TestWhatIsNotThereIsSeenAsNothing(t *testing.T) {
	t.Parallel()
	p := adapter(t, newScript(t, failing(codes.NotFound, "no such thing")))
	v := numbered("1")
	for _, q := range []broker.Query{
		{Key: ref()},
		{Version: &v},
		{Versions: ref()},
		{Name: "payments"},
		{Name: "no name"},
		{Consumer: keyName},
		{Consumer: keyName + "/cryptoKeyVersions/1"},
		{Consumer: "payments"},
	} {
		if seen, err := look(t, p, q); err != nil || len(seen) > 0 {
			t.Errorf("%+v: %v, %v", q, seen, err)
		}
	}
}

func explained(code codes.Code, message string, details ...protoadapt.MessageV1) answering {
	return func(asking) (proto.Message, error) {
		s, err := status.New(code, message).WithDetails(details...)
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
}

func TestThrottledCarriesWhen(t *testing.T) {
	t.Parallel()
	for want, details := range map[time.Duration][]protoadapt.MessageV1{
		0:               nil,
		7 * time.Second: {&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}},
		time.Second: {
			&errdetails.QuotaFailure{}, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)},
		},
	} {
		p := adapter(t, newScript(t, explained(codes.ResourceExhausted, "slow down", details...)))
		if e := inWords(t, prepare(t, p)); e.Kind != broker.Throttled || e.RetryAfter != want {
			t.Errorf("%v: %s after %s", details, e.Kind, e.RetryAfter)
		}
	}
	past := &errdetails.RetryInfo{RetryDelay: durationpb.New(-time.Second)}
	p := adapter(t, newScript(t, explained(codes.ResourceExhausted, "", past)))
	if e := inWords(t, prepare(t, p)); e.RetryAfter != 0 {
		t.Errorf("in the past: %s", e.RetryAfter)
	}
}

func TestDeniedNamesThePermission(t *testing.T) {
	t.Parallel()
	info := func(reason, permission string) *errdetails.ErrorInfo {
		return &errdetails.ErrorInfo{Reason: reason, Metadata: map[string]string{"permission": permission}}
	}
	for name, c := range map[string]struct {
		answer answering
		want   string
	}{
		"of the call":       {failing(codes.PermissionDenied, "no"), "cloudkms.cryptoKeys.create"},
		"in the message":    {failing(codes.PermissionDenied, "Permission 'cloudkms.keyRings.use' denied on resource"), "cloudkms.keyRings.use"},
		"in the details":    {explained(codes.PermissionDenied, "no", info("IAM_PERMISSION_DENIED", "cloudkms.a.b")), "cloudkms.a.b"},
		"not in words":      {explained(codes.PermissionDenied, "no", info("IAM_PERMISSION_DENIED", "all\x1b[2J")), "cloudkms.cryptoKeys.create"},
		"an API not in use": {explained(codes.PermissionDenied, "no", info("SERVICE_DISABLED", "")), ""},
		"of nobody":         {failing(codes.Unauthenticated, "who?"), ""},
	} {
		e := inWords(t, prepare(t, adapter(t, newScript(t, c.answer))))
		if e.Kind != broker.Denied || e.Permission != c.want {
			t.Errorf("%s: %s, permission %q", name, e.Kind, e.Permission)
		}
		if name == "an API not in use" && !strings.Contains(e.Hint, "gcloud services enable") {
			t.Errorf("%s: hint %q", name, e.Hint)
		}
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := base()
	c.Endpoint = "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := open(t, c)
	if e := inWords(t, prepare(t, p)); e.Kind != broker.Unavailable || !strings.Contains(e.Hint, "nothing was sent") {
		t.Errorf("a change that was never sent is %v (%s)", e, e.Hint)
	}
	if _, err := p.Identify(t.Context()); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("a read is %v", err)
	}
}

// TestNoToken: nothing is sent, and the error says what to do.
func TestNoToken(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(codes.Internal, "reached"))
	for name, cause := range map[string]error{"an error": errors.New("no metadata\r\nservice"), "no token": nil} {
		p := adapter(t, s, func(c *gcpkms.Config) { c.Tokens = noToken{cause} })
		e := inWords(t, prepare(t, p))
		if e.Kind != broker.Unavailable || !strings.Contains(e.Hint, "credentials_file") || strings.ContainsFunc(e.Error(), unicode.IsControl) {
			t.Errorf("%s: %v (%s)", name, e, e.Hint)
		}
	}
	if rpcs := s.rpcs(); len(rpcs) > 0 {
		t.Errorf("sent %v", rpcs)
	}
}

func TestCancelledIsSaid(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(codes.Internal, "reached"))
	p := adapter(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Prepare(ctx, effect(broker.StepPrepare), macKey())
	if e := inWords(t, err); e.Kind != broker.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if rpcs := s.rpcs(); len(rpcs) > 0 {
		t.Errorf("sent %v", rpcs)
	}
}

// TestCancelledWhileAsked: what was sent may have happened.
func TestCancelledWhileAsked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newScript(t, func(asking) (proto.Message, error) {
		cancel()
		<-ctx.Done()
		return nil, status.Error(codes.Internal, "too late")
	})
	_, err := adapter(t, s).Prepare(ctx, effect(broker.StepPrepare), macKey())
	if e := inWords(t, err); e.Kind != broker.Unclear {
		t.Errorf("%v", err)
	}
}

// TestAMessageIsPlainText: it moves no cursor, forges no line, and fits into a record.
func TestAMessageIsPlainText(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"\u001b[2J\u001b]0;owned\u0007all is well\r\nkeyferry: imported", "a\x00b", strings.Repeat("x", 5000)} {
		err := prepare(t, adapter(t, newScript(t, failing(codes.InvalidArgument, message))))
		if strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 2500 {
			t.Errorf("%q", err)
		}
	}
}

// TestRequestsSayWhatGoogleAsks of every client, and for whom they are.
func TestRequestsSayWhatGoogleAsks(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(codes.InvalidArgument, "no"))
	p := adapter(t, s, func(c *gcpkms.Config) { c.QuotaProject = "who-pays" })
	_ = prepare(t, p)
	_, _ = p.Do(t.Context(), effect(broker.StepWithhold), numbered("7"), broker.Action{Kind: broker.Enable})
	_, _ = p.Do(t.Context(), effect(broker.StepWithhold), numbered("7"), broker.Action{Kind: broker.Schedule})
	want := []string{
		"parent=projects%2Fkeyferry-tests%2Flocations%2Feurope-west3%2FkeyRings%2Fring",
		"crypto_key_version.name=projects%2Fkeyferry-tests%2Flocations%2Feurope-west3%2FkeyRings%2Fring%2FcryptoKeys%2Fpayments%2FcryptoKeyVersions%2F7",
		"name=projects%2Fkeyferry-tests%2Flocations%2Feurope-west3%2FkeyRings%2Fring%2FcryptoKeys%2Fpayments%2FcryptoKeyVersions%2F7",
	}
	for i, a := range s.asked() {
		get := func(name string) string { return strings.Join(a.header.Get(name), "|") }
		step := broker.StepWithhold
		if i == 0 {
			step = broker.StepPrepare
		}
		if get("x-goog-request-params") != want[i] || get("authorization") != "Bearer token" || get("x-goog-user-project") != "who-pays" ||
			!strings.HasPrefix(get("x-goog-api-client"), "gl-go/") || get("x-goog-request-reason") != effect(step).ID() {
			t.Errorf("%s was sent with %v", a.rpc, a.header)
		}
	}
}

// TestAnEndlessAnswerIsCut, long before memory is.
func TestAnEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	huge := &kmspb.KeyRing{Name: strings.Repeat("x", 16<<20)}
	p := adapter(t, newScript(t, saying(map[string]proto.Message{"GetKeyRing": huge, "CreateCryptoKey": huge})))
	if _, err := p.Identify(t.Context()); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("read: %v", err)
	}
	if err := prepare(t, p); inWords(t, err).Kind != broker.Unclear {
		t.Errorf("change: %v", err)
	}
}
