package awskms_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// codes is what AWS's error codes mean, written down apart from the adapter's table.
var codes = map[string]broker.Kind{
	"NotFoundException":                broker.NotFound,
	"AlreadyExistsException":           broker.Conflict,
	"ConflictException":                broker.Conflict,
	"DisabledException":                broker.Conflict,
	"KMSInvalidStateException":         broker.Conflict,
	"UnsupportedOperationException":    broker.Unsupported,
	"InvalidKeyUsageException":         broker.Unsupported,
	"UnknownOperationException":        broker.Unsupported,
	"ExpiredImportTokenException":      broker.Expired,
	"ExpiredTokenException":            broker.Expired,
	"IncorrectKeyMaterialException":    broker.Differs,
	"InvalidCiphertextException":       broker.Rejected,
	"InvalidImportTokenException":      broker.Rejected,
	"InvalidAliasNameException":        broker.Rejected,
	"InvalidArnException":              broker.Rejected,
	"LimitExceededException":           broker.Rejected,
	"MalformedPolicyDocumentException": broker.Rejected,
	"TagException":                     broker.Rejected,
	"ValidationException":              broker.Rejected,
	"SerializationException":           broker.Rejected,
	"AccessDeniedException":            broker.Denied,
	"UnrecognizedClientException":      broker.Denied,
	"InvalidSignatureException":        broker.Denied,
	"IncompleteSignatureException":     broker.Denied,
	"ThrottlingException":              broker.Throttled,
	"RequestLimitExceeded":             broker.Throttled,
}

func TestCodesAreKinds(t *testing.T) {
	t.Parallel()
	for code, kind := range codes {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, failing(http.StatusBadRequest, code, "because"))
			p := adapter(t, s.URL)
			e := inWords(t, prepare(t, p))
			if e.Kind != kind || e.Op != "create key" || e.Object != "payments/db" || !strings.Contains(e.Error(), code+": because") {
				t.Errorf("change: %s of %q: %v", e.Kind, e.Op+" "+e.Object, e)
			}
			key := ref()
			seen, err := look(t, p, broker.Query{Key: &key})
			if kind == broker.NotFound {
				if err != nil || len(seen) > 0 {
					t.Errorf("look for what is not there: %d things, %v", len(seen), err)
				}
			} else if inWords(t, err).Kind != kind {
				t.Errorf("read: %v", err)
			}
			if asked := s.asked(); len(asked) != 2 {
				t.Errorf("final answers were asked for again: %v", asked)
			}
		})
	}
}

// TestUnknownAnswers: what is in no table is Unclear after a change, which is sent
// once, and Unavailable after a read, which is sent three times.
func TestUnknownAnswers(t *testing.T) {
	t.Parallel()
	answers := map[string]func(string, http.ResponseWriter){
		"a server fault":       failing(http.StatusInternalServerError, "KMSInternalException", "oops"),
		"a dependency's fault": failing(http.StatusInternalServerError, "DependencyTimeoutException", "oops"),
		"a new code":           failing(http.StatusBadRequest, "BrandNewException", "oops"),
		"a page of HTML": func(_ string, w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>bad gateway</html>"))
		},
		"a redirect": func(_ string, w http.ResponseWriter) {
			w.Header().Set("Location", "https://example.org/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"half a body": saying(`{"KeyMetadata":{"Arn":"arn:aws:k`),
		"nothing":     saying(`{}`),
		"a hang-up":   func(string, http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, answer)
			p := adapter(t, s.URL)
			if e := inWords(t, prepare(t, p)); e.Kind != broker.Unclear {
				t.Errorf("change: %v", e)
			}
			if asked := s.asked(); !slices.Equal(asked, []string{"CreateKey"}) {
				t.Errorf("a change was sent as %v", asked)
			}
			key := ref()
			_, err := look(t, p, broker.Query{Key: &key})
			if e := inWords(t, err); e.Kind != broker.Unavailable {
				t.Errorf("read: %v", e)
			}
			if asked := s.asked(); len(asked) != 4 && name != "nothing" {
				t.Errorf("a read was sent %d times", len(asked)-1)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := adapter(t, "http://"+l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if e := inWords(t, prepare(t, p)); e.Kind != broker.Unavailable || !strings.Contains(e.Hint, "nothing was sent") || strings.Contains(e.Error(), "StatusCode") {
		t.Errorf("a change that was never sent is %v (%s)", e, e.Hint)
	}
	if _, err := p.Identify(t.Context()); inWords(t, err).Kind != broker.Unavailable {
		t.Errorf("a read is %v", err)
	}
}

func TestThrottledCarriesWhen(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "soon": 0, "-3": 0} {
		s := newScript(t, func(action string, w http.ResponseWriter) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			failing(http.StatusBadRequest, "ThrottlingException", "slow down")(action, w)
		})
		if e := inWords(t, prepare(t, adapter(t, s.URL))); e.Kind != broker.Throttled || e.RetryAfter != want {
			t.Errorf("Retry-After %q: %s after %s", header, e.Kind, e.RetryAfter)
		}
	}
}

func TestDeniedNamesThePermission(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                          "kms:CreateKey",
		"User: x is not authorized": "kms:CreateKey",
		"not authorized to perform: kms:TagResource because": "kms:TagResource",
	} {
		s := newScript(t, failing(http.StatusBadRequest, "AccessDeniedException", message))
		if e := inWords(t, prepare(t, adapter(t, s.URL))); e.Permission != want {
			t.Errorf("%q: permission %q, want %q", message, e.Permission, want)
		}
	}
	s := newScript(t, failing(http.StatusBadRequest, "UnrecognizedClientException", "The security token is invalid"))
	if e := inWords(t, prepare(t, adapter(t, s.URL))); e.Kind != broker.Denied || e.Permission != "" {
		t.Errorf("unknown credentials are no missing permission: %v", e)
	}
}

// TestAnswersAboutOthers: every answer that names an account, region or key is held
// against what was enrolled and asked for.
func TestAnswersAboutOthers(t *testing.T) {
	t.Parallel()
	for name, arn := range map[string]string{
		"account":     "arn:aws:kms:" + region + ":" + other + ":key/" + noKey,
		"region":      "arn:aws:kms:us-east-1:" + account + ":key/" + noKey,
		"partition":   "arn:aws-cn:kms:" + region + ":" + account + ":key/" + noKey,
		"service":     "arn:aws:s3:" + region + ":" + account + ":key/" + noKey,
		"alias":       "arn:aws:kms:" + region + ":" + account + ":alias/x",
		"no arn":      "key-1",
		"empty id":    "arn:aws:kms:" + region + ":" + account + ":key/",
		"odd id":      "arn:aws:kms:" + region + ":" + account + ":key/../x",
		"other key":   "arn:aws:kms:" + region + ":" + account + ":key/another",
		"white space": "arn:aws:kms:" + region + ":" + account + ":key/a b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, saying(`{"KeyId":"`+arn+`","KeyMetadata":{"KeyId":"x","Arn":"`+arn+`"},"PublicKey":"AAAA","ImportToken":"AAAA","ParametersValidTo":2000000000}`))
			p := adapter(t, s.URL)
			_, err := p.WrappingKey(t.Context(), effect(broker.StepFetch), broker.WrappingKeyIn{Key: ref(), Mechanism: broker.OAEPSHA256})
			if inWords(t, err).Kind != broker.Tampered {
				t.Errorf("wrapping key: %v", err)
			}
			key := ref()
			if _, err := look(t, p, broker.Query{Key: &key}); inWords(t, err).Kind != broker.Tampered {
				t.Errorf("look: %v", err)
			}
			if name == "other key" {
				return // CreateKey makes a key that nobody asked for by name
			}
			if e := inWords(t, prepare(t, p)); e.Kind != broker.Tampered {
				t.Errorf("prepare: %v", e)
			}
		})
	}
}

func TestCancelledIsSaid(t *testing.T) {
	t.Parallel()
	s := newScript(t, saying(`{}`))
	p := adapter(t, s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Prepare(ctx, effect(broker.StepPrepare), hmacKey())
	if e := inWords(t, err); e.Kind != broker.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("sent %v", asked)
	}
}
