package gcpkms_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// tokens is a token service: every one of Google's at one address, under a CA of its
// own. It remembers what was asked, of which host, by whom.
type tokens struct {
	URL string
	ca  []byte

	mu    sync.Mutex
	asked []string
	fail  map[string]int // path's end → status
}

func newTokens(t *testing.T) *tokens {
	t.Helper()
	ca := authority(t)
	leaf, err := ca.Leaf("*.googleapis.com")
	if err != nil {
		t.Fatal(err)
	}
	s := &tokens{ca: ca.PEM(), fail: map[string]int{}}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// ServeHTTP answers as Google's token services do.
func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path+" "+r.Header.Get("Authorization"))
	for end, code := range s.fail {
		if strings.HasSuffix(r.URL.Path, end) {
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"error":{"message":"status %d"}}`, code)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	account, impersonates := strings.CutSuffix(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], ":generateAccessToken")
	if impersonates {
		_, _ = fmt.Fprintf(w, `{"accessToken":"as-%s","expireTime":%q}`, account, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		return
	}
	_, _ = fmt.Fprint(w, `{"access_token":"exchanged","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`)
}

func (s *tokens) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// accountKey is a service account's private key, PKCS#8.
var accountKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

func text(t *testing.T, fields map[string]any) []byte {
	t.Helper()
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const importer = "importer@" + project + ".iam.gserviceaccount.com"

func serviceAccount() map[string]any { return serviceAccountOf("https://oauth2.googleapis.com") }

func serviceAccountOf(issuer string) map[string]any {
	return map[string]any{
		"type": "service_account", "project_id": project, "private_key_id": "k", "private_key": accountKey(), "client_email": importer,
		"token_uri": issuer + "/token",
	}
}

func user() map[string]any {
	return map[string]any{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "account": "ada@example.org", "quota_project_id": "adas"}
}

func workload(t *testing.T, change func(map[string]any)) map[string]any {
	t.Helper()
	f := map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
		"credential_source": map[string]any{"file": write(t, "subject", "a.b.c")},
	}
	if change != nil {
		change(f)
	}
	return f
}

// bearers is who asked a script, in order, without repetition.
func bearers(s *script) []string {
	var out []string
	for _, a := range s.asked() {
		out = append(out, strings.Join(a.header.Get("authorization"), "|"))
	}
	return slices.Compact(out)
}

// credentialsCase is a file, and what comes of it.
type credentialsCase struct {
	file      map[string]any
	bearer    string // beginning
	principal string
	asked     []string // of token services
	quota     string
}

func credentialsCases(t *testing.T, at *tokens) map[string]credentialsCase {
	t.Helper()
	return map[string]credentialsCase{
		"a service account": {serviceAccountOf(at.URL), "Bearer eyJ", importer, nil, ""},
		"a user":            {user(), "Bearer exchanged", "ada@example.org", []string{"/token "}, "adas"},
		"a workload": {
			workload(t, nil), "Bearer exchanged", "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
			[]string{"/v1/token "},
			"",
		},
		"a workload as an account": {
			workload(t, func(f map[string]any) {
				f["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + importer + ":generateAccessToken"
			}), "Bearer as-" + importer, importer,
			[]string{"/v1/token ", "/v1/projects/-/serviceAccounts/" + importer + ":generateAccessToken Bearer exchanged"},
			"",
		},
		"an impersonated account": {
			map[string]any{
				"type": "impersonated_service_account", "source_credentials": user(),
				"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + importer + ":generateAccessToken",
			},
			"Bearer as-" + importer, importer,
			[]string{"/token ", "/v1/projects/-/serviceAccounts/" + importer + ":generateAccessToken Bearer exchanged"},
			"",
		},
	}
}

// TestCredentialsFiles of every type that is taken: whose token comes to KMS, and who
// that is.
func TestCredentialsFiles(t *testing.T) {
	t.Parallel()
	for name := range credentialsCases(t, &tokens{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, at := newScript(t, saying(about(keyName))), newTokens(t)
			c := credentialsCases(t, at)[name]
			p := adapter(t, s, func(g *gcpkms.Config) {
				g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM = nil, text(t, c.file), at.URL, at.ca
			})
			for range 2 {
				if _, err := look(t, p, broker.Query{Key: ref()}); err != nil {
					t.Fatal(err)
				}
			}
			if got := bearers(s); len(got) != 1 || !strings.HasPrefix(got[0], c.bearer) {
				t.Errorf("asked as %v", got)
			}
			if got := at.paths(); !slices.Equal(got, c.asked) {
				t.Errorf("asked for tokens by %q", got)
			}
			if got := s.asked()[0].header.Get("x-goog-user-project"); strings.Join(got, "") != c.quota {
				t.Errorf("quota of %v", got)
			}
			s2 := newScript(t, identified)
			p2 := adapter(t, s2, func(g *gcpkms.Config) {
				g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM = nil, text(t, c.file), at.URL, at.ca
				g.Protection = gcpkms.Software
			})
			if id, err := p2.Identify(t.Context()); err != nil || id.Principal != c.principal {
				t.Errorf("identified as %q, %v", id.Principal, err)
			}
		})
	}
}

// TestProofsAreAskedAsAnother, where the config says so; and only proofs.
func TestProofsAreAskedAsAnother(t *testing.T) {
	t.Parallel()
	const prover = "prover@" + project + ".iam.gserviceaccount.com"
	s, at := newScript(t, saying(about(keyName))), newTokens(t)
	p := adapter(t, s, func(g *gcpkms.Config) {
		g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM = nil, text(t, user()), at.URL, at.ca
		g.Impersonate, g.ProofImpersonate = importer, prover
	})
	each(t, p)
	for _, a := range s.asked() {
		want := "Bearer as-" + importer
		if a.rpc == "MacSign" {
			want = "Bearer as-" + prover
		}
		if got := strings.Join(a.header.Get("authorization"), "|"); got != want {
			t.Errorf("%s was asked as %q", a.rpc, got)
		}
	}
	if got := at.paths(); len(got) != 3 || !slices.Contains(s.rpcs(), "MacSign") {
		t.Errorf("asked for tokens by %q", got)
	}
}

// TestImpersonationThatIsRefused names the permission, and sends nothing to KMS.
func TestImpersonationThatIsRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]broker.Kind{
		http.StatusForbidden: broker.Denied, http.StatusNotFound: broker.Denied, http.StatusUnauthorized: broker.Denied,
		http.StatusTooManyRequests: broker.Unavailable, http.StatusInternalServerError: broker.Unavailable,
	} {
		s, at := newScript(t, failing(codes.Internal, "reached")), newTokens(t)
		at.fail[":generateAccessToken"] = code
		p := adapter(t, s, func(g *gcpkms.Config) {
			g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM, g.Impersonate = nil, text(t, user()), at.URL, at.ca, importer
		})
		e := inWords(t, prepare(t, p))
		permission := ""
		if code == http.StatusForbidden || code == http.StatusNotFound {
			permission = "iam.serviceAccounts.getAccessToken"
		}
		if e.Kind != want || e.Permission != permission || len(s.asked()) > 0 {
			t.Errorf("%d: %v, permission %q, sent %v", code, e, e.Permission, s.rpcs())
		}
	}
}

// TestCredentialsThatAreNotTaken: what they name would be sent a secret, or run.
func TestCredentialsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	with := func(f map[string]any, field string, value any) []byte {
		f[field] = value
		return text(t, f)
	}
	for want, file := range map[string][]byte{
		"parse credentials":             []byte("{"),
		"of type \"\"":                  []byte("{}"),
		"of type \"gdch":                []byte(`{"type":"gdch_service_account"}`),
		"universe":                      with(serviceAccount(), "universe_domain", "example.org"),
		"not Google's":                  with(serviceAccount(), "token_uri", "https://evil.example/token"),
		"evil.googleapis.com":           with(serviceAccount(), "token_uri", "https://evil.googleapis.com/token"),
		"http://":                       with(serviceAccount(), "token_uri", "http://oauth2.googleapis.com/token"),
		"sts.googleapis.com.evil":       with(workload(t, nil), "token_url", "https://sts.googleapis.com.evil/v1/token"),
		"@evil":                         with(workload(t, nil), "token_url", "https://sts.googleapis.com@evil/v1/token"),
		"a program":                     with(workload(t, nil), "credential_source", map[string]any{"executable": map[string]any{"command": "/bin/true"}}),
		"client certificate":            with(workload(t, nil), "credential_source", map[string]any{"certificate": map[string]any{"use_default_certificate_config": true}}),
		"source of the credentials":     text(t, map[string]any{"type": "impersonated_service_account", "source_credentials": map[string]any{"type": "magic"}}),
		"could not parse key":           with(serviceAccount(), "private_key", "x"),
		"missing 'source_credentials'":  []byte(`{"type":"impersonated_service_account"}`),
		"external_account_authorized_u": []byte(`{"type":"external_account_authorized_user"}`),
	} {
		c := base()
		c.Tokens, c.CredentialsJSON = nil, file
		p, err := gcpkms.Open(t.Context(), c)
		if err == nil {
			p.Close()
			t.Errorf("%s: it was taken", want)
		} else if inWords(t, err).Kind != broker.Misuse || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzCredentials: a file is taken, or refused as Misuse.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}`))
	f.Add([]byte(`{"type":"external_account","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"/x"}}`))
	f.Add([]byte(`{"type":"impersonated_service_account","source_credentials":{"type":"authorized_user"}}`))
	f.Add([]byte(`{"type":"service_account","token_uri":"https://evil.example"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := base()
		c.Tokens, c.CredentialsJSON = nil, text
		p, err := gcpkms.Open(t.Context(), c)
		if err == nil {
			p.Close()
		} else if len(text) > 0 && broker.KindOf(err) != broker.Misuse {
			t.Errorf("%s: %v", text, err)
		}
	})
}
