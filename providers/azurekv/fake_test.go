package azurekv_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/providers/azurekv"
)

const (
	tenant      = "11111111-2222-3333-4444-555555555555"
	otherTenant = "99999999-2222-3333-4444-555555555555"
	someVersion = "0123456789abcdef0123456789abcdef"
	kekVersion  = "fedcba9876543210fedcba9876543210"
)

// asking is one request that a script was sent.
type asking struct {
	action string
	path   string
	query  string
	body   string
	token  string
}

// script is a vault that answers as it likes, and remembers what was asked. It is for
// answers that the emulator, which is faithful, never gives.
type script struct {
	URL string // of the vault
	CA  []byte

	mu   sync.Mutex
	sent []asking
}

// answering answers one authorised request.
type answering func(a asking, w http.ResponseWriter)

// newScript challenges requests without a token.
func newScript(t *testing.T, answer answering) *script {
	t.Helper()
	var s *script
	s = newBare(t, func(a asking, w http.ResponseWriter) {
		if a.token == "" {
			w.Header().Set("WWW-Authenticate", s.challenge())
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(a, w)
	})
	return s
}

// newBare leaves challenges to the test.
func newBare(t *testing.T, answer answering) *script {
	t.Helper()
	ca, err := emu.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("*.vault.localhost")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{CA: ca.PEM()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a := asking{actionOf(r), r.URL.Path, r.URL.RawQuery, string(body), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		s.mu.Lock()
		s.sent = append(s.sent, a)
		s.mu.Unlock()
		w.Header().Set("X-Ms-Request-Id", "request-1")
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		answer(a, w)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.URL = "https://test.vault.localhost" + server.Listener.Addr().String()[strings.LastIndexByte(server.Listener.Addr().String(), ':'):]
	return s
}

// domain is the resource that tokens for the vault are for.
func (s *script) domain() string { return strings.Replace(s.URL, "test.", "", 1) }

func (s *script) challenge() string {
	return `Bearer authorization="https://login.localhost/` + tenant + `", resource="` + s.domain() + `"`
}

func (s *script) asked() []asking {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asking(nil), s.sent...)
}

// authorised are the operations that came with a token.
func (s *script) authorised() []string {
	var out []string
	for _, a := range s.asked() {
		if a.token != "" {
			out = append(out, a.action)
		}
	}
	return out
}

// failing answers everything with an error in Key Vault's words.
func failing(status int, code, inner, message string) answering {
	return func(_ asking, w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, envelope(code, inner, message))
	}
}

func envelope(code, inner, message string) string {
	if inner != "" {
		inner = `,"innererror":{"code":"` + inner + `"}`
	}
	return `{"error":{"code":"` + code + `","message":"` + message + `"` + inner + `}}`
}

// saying answers some operations with a body, and of everything else that it is not
// there.
func saying(bodies map[string]string) answering {
	return func(a asking, w http.ResponseWriter) {
		body, ok := bodies[a.action]
		if !ok {
			failing(http.StatusNotFound, "KeyNotFound", "", "no "+a.action)(a, w)
			return
		}
		_, _ = io.WriteString(w, body)
	}
}

// fixed is a source of one token, and counts.
type fixed struct {
	token string
	err   error

	mu     sync.Mutex
	n      int
	claims string // of the last request
}

func (f *fixed) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.claims = o.Claims
	return azcore.AccessToken{Token: f.token, ExpiresOn: time.Now().Add(time.Hour)}, f.err
}

func (f *fixed) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// base is a config that needs nothing else.
func base() azurekv.Config {
	return azurekv.Config{
		Tenant: tenant, VaultURL: "https://payments.vault.azure.net", Now: time.Now,
		Credentials: azurekv.Credentials{Tokens: &fixed{token: "token"}},
	}
}

func adapter(t *testing.T, s *script, change ...func(*azurekv.Config)) *azurekv.Provider {
	t.Helper()
	c := base()
	c.VaultURL, c.CAPEM, c.Settle, c.Poll = s.URL, s.CA, time.Second, 10*time.Millisecond
	for _, f := range change {
		f(&c)
	}
	return open(t, c)
}

func effect(step broker.Step) broker.Effect {
	return broker.Effect{Operation: "20270131T120000-0a1b2c", Target: "azure", Step: step}
}

func ecKey() broker.PrepareIn {
	return broker.PrepareIn{
		Name: "payments/db", KeyID: "0123456789abcdef", Number: 1, Spec: broker.ECP256, Purpose: broker.Sign, Mode: broker.NewKey,
		RemoteName: "payments-db", Tags: map[string]string{"team": "payments"},
	}
}

func look(t *testing.T, p *azurekv.Provider, q broker.Query) ([]broker.Observation, error) {
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

// ref is a key of the vault that may not be there.
func (s *script) ref() broker.KeyRef { return broker.KeyRef{ID: s.URL + "/keys/payments-db"} }

func (s *script) version() broker.VersionRef {
	return broker.VersionRef{Key: s.ref(), ID: someVersion}
}

func (s *script) kek() string { return s.URL + "/keys/keyferry-kek/" + kekVersion }

// importing is an import that passes every check of the adapter's own.
func (s *script) importing() broker.ImportIn {
	return broker.ImportIn{
		Key: s.ref(), Kind: broker.ImportNew, Spec: broker.ECP256, Mechanism: broker.KWPSHA1, Wrapped: []byte("wrapped"), Token: []byte(s.kek()), Of: ecKey(),
	}
}

// inWords is the error as the broker's, or a failure of the test.
func inWords(t *testing.T, err error) *broker.Error {
	t.Helper()
	e, ok := errors.AsType[*broker.Error](err)
	if !ok {
		t.Fatalf("%T is not a *broker.Error: %v", err, err)
	}
	if e.Op == "" || e.Object == "" {
		t.Errorf("it does not say what was done to what: %v", err)
	}
	return e
}
