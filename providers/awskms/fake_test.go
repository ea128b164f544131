package awskms_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/awskms"
)

// script is a service that answers by action and remembers what was asked. It is
// for answers that the emulator, which is faithful, never gives.
type script struct {
	URL    string
	header func(http.Header) // told of each request's; nil nobody

	mu      sync.Mutex
	actions []string
}

func newScript(t *testing.T, answer func(action string, w http.ResponseWriter)) *script {
	t.Helper()
	s := &script{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
		s.mu.Lock()
		s.actions = append(s.actions, action)
		s.mu.Unlock()
		if s.header != nil {
			s.header(r.Header)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Requestid", "request-1")
		answer(action, w)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *script) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.actions...)
}

// failing answers everything with an error code.
func failing(status int, code, message string) func(string, http.ResponseWriter) {
	return func(_ string, w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"__type":"` + code + `","message":"` + message + `"}`))
	}
}

// saying answers everything with a body.
func saying(body string) func(string, http.ResponseWriter) {
	return func(_ string, w http.ResponseWriter) { _, _ = w.Write([]byte(body)) }
}

func adapter(t *testing.T, endpoint string, change ...func(*awskms.Config)) *awskms.Provider {
	t.Helper()
	c := awskms.Config{
		Account: account, Region: region, Endpoint: endpoint, Now: time.Now, Settle: time.Second, Poll: 20 * time.Millisecond,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}
	for _, f := range change {
		f(&c)
	}
	p, err := awskms.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func hmacKey() broker.PrepareIn {
	return broker.PrepareIn{Name: "payments/db", KeyID: "0123", Number: 1, Spec: broker.HMAC256, Purpose: broker.MAC, Mode: broker.NewKey}
}

func effect(step broker.Step) broker.Effect {
	return broker.Effect{Operation: "op-1", Target: "aws", Step: step}
}

func prepare(t *testing.T, p *awskms.Provider) error {
	t.Helper()
	_, err := p.Prepare(t.Context(), effect(broker.StepPrepare), hmacKey())
	return err
}

func look(t *testing.T, p *awskms.Provider, q broker.Query) ([]broker.Observation, error) {
	t.Helper()
	var seen []broker.Observation
	for o, err := range p.Look(t.Context(), q) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, o)
	}
	return seen, nil
}

// ref is a key of the target that may not be there.
func ref() broker.KeyRef {
	return broker.KeyRef{ID: "arn:aws:kms:" + region + ":" + account + ":key/" + noKey}
}

// inWords is the error as the broker's, or a failure of the test.
func inWords(t *testing.T, err error) *broker.Error {
	t.Helper()
	e, ok := errors.AsType[*broker.Error](err)
	if !ok {
		t.Fatalf("%T is not a *broker.Error: %v", err, err)
	}
	return e
}

// publicOnly answers GetPublicKey and denies everything else.
func publicOnly(action string, w http.ResponseWriter) {
	if action != "GetPublicKey" {
		failing(http.StatusBadRequest, "AccessDeniedException", "no")(action, w)
		return
	}
	key := base64.StdEncoding.EncodeToString(publicKeyOf(broker.ECP256))
	saying(`{"KeyId":"`+ref().ID+`","PublicKey":"`+key+`"}`)(action, w)
}

// publicKeyOf is a new public key, DER.
func publicKeyOf(spec broker.KeySpec) []byte {
	var public any
	if spec.Class() == broker.ClassRSA {
		key, err := rsa.GenerateKey(rand.Reader, spec.Bits())
		if err != nil {
			panic(err)
		}
		public = key.Public()
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		public = key.Public()
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return der
}

// publicOf a private key, PKCS#8, DER; nil for a secret.
func publicOf(private []byte) []byte {
	key, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
	if err != nil {
		panic(err)
	}
	return der
}
