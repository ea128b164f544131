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
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
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

// TestTokenServicesAreTrustedByTheTargetsCA alone.
func TestTokenServicesAreTrustedByTheTargetsCA(t *testing.T) {
	t.Parallel()
	s, at := newScript(t, failing(codes.Internal, "reached")), newTokens(t)
	p := adapter(t, s, func(g *gcpkms.Config) {
		g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM, g.Impersonate = nil, text(t, serviceAccountOf(at.URL)), at.URL, authority(t).PEM(), importer
	})
	if e := inWords(t, prepare(t, p)); e.Kind != broker.Denied || !strings.Contains(e.Error(), "certificate") {
		t.Errorf("%v", e)
	}
	if got := at.paths(); len(got) > 0 {
		t.Errorf("asked %q", got)
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

// TestEnvironmentDoesNotCount: what Google's libraries would take from it leads
// nowhere.
func TestEnvironmentDoesNotCount(t *testing.T) {
	trap, at := newScript(t, failing(codes.Internal, "trapped")), newTokens(t)
	s := newScript(t, saying(about(keyName)))
	for name, value := range map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": "/does/not/exist", "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.org",
		"GOOGLE_API_USE_MTLS_ENDPOINT": "always", "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true", "GCE_METADATA_HOST": trap.addr,
		"HTTPS_PROXY": "http://" + trap.addr, "HTTP_PROXY": "http://" + trap.addr, "ALL_PROXY": "http://" + trap.addr,
		"GOOGLE_CLOUD_QUOTA_PROJECT": "trapped", "CLOUDSDK_CORE_PROJECT": "trapped", "GOOGLE_CLOUD_PROJECT": "trapped",
	} {
		t.Setenv(name, value)
	}
	p := adapter(t, s, func(g *gcpkms.Config) {
		g.Tokens, g.CredentialsJSON, g.TokenEndpoint, g.CAPEM = nil, text(t, user()), at.URL, at.ca
	})
	if _, err := look(t, p, broker.Query{Key: ref()}); err != nil {
		t.Fatal(err)
	}
	if got := bearers(s); !slices.Equal(got, []string{"Bearer exchanged"}) || strings.Join(s.asked()[0].header.Get("x-goog-user-project"), "") != "adas" {
		t.Errorf("asked as %v, quota of %v", got, s.asked()[0].header)
	}
	if len(trap.asked()) > 0 {
		t.Errorf("the environment was followed: %v", trap.rpcs())
	}
}

// TestDefaultCredentials are those of the environment, then gcloud's, then this
// machine's.
func TestDefaultCredentials(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", write(t, "adc.json", string(text(t, serviceAccount()))))
	who := func() string {
		t.Helper()
		return gcpkms.PrincipalOf(t.Context(), open(t, base(), func(g *gcpkms.Config) { g.Tokens = nil }))
	}
	if got := who(); got != importer {
		t.Errorf("of the environment: %q", got)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	gcloud := filepath.Join(home, ".config", "gcloud")
	if err := os.MkdirAll(gcloud, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(gcloud, "application_default_credentials.json"), text(t, user()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := who(); got != "ada@example.org" {
		t.Errorf("of gcloud: %q", got)
	}
}

// machineService answers as a machine's metadata service does, without a network.
type machineService struct {
	t       *testing.T
	answers map[string]string // by the path's end
	asked   []string
}

// RoundTrip implements http.RoundTripper.
func (m *machineService) RoundTrip(r *http.Request) (*http.Response, error) {
	m.asked = append(m.asked, r.URL.String())
	if r.Header.Get("Metadata-Flavor") != "Google" {
		m.t.Errorf("asked with %v", r.Header)
	}
	end := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	code := http.StatusOK
	if m.answers[end] == "" {
		code = http.StatusNotFound
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(m.answers[end])), Request: r}, nil
}

// TestThisMachine is asked who it is at its fixed address, and not where the
// environment says.
func TestThisMachine(t *testing.T) {
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	m := &machineService{t: t, answers: map[string]string{"token": `{"access_token":"of-machine","expires_in":3600,"token_type":"Bearer"}`, "email": importer + "\n"}}
	token, end, name, err := gcpkms.Machine(t.Context(), &http.Client{Transport: m}, func() time.Time { return at })
	if err != nil || token != "of-machine" || !end.Equal(at.Add(time.Hour)) || name != importer {
		t.Errorf("%q until %s, of %q, %v", token, end, name, err)
	}
	for _, asked := range m.asked {
		if !strings.HasPrefix(asked, "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/") {
			t.Errorf("asked %s", asked)
		}
	}
	for _, lacks := range []string{"token", "email"} {
		answers := maps.Clone(m.answers)
		delete(answers, lacks)
		if _, _, _, err := gcpkms.Machine(t.Context(), &http.Client{Transport: &machineService{t: t, answers: answers}}, time.Now); err == nil {
			t.Errorf("without %s it is somebody", lacks)
		}
	}
}

// TestGooglesTokensGoToGoogleAlone.
func TestGooglesTokensGoToGoogleAlone(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*gcpkms.Config){
		"no token of Google's":    func(g *gcpkms.Config) { g.Endpoint, g.CredentialsJSON = "https://kms.example.org", text(t, user()) },
		"name its token endpoint": func(g *gcpkms.Config) { g.Endpoint = "http://127.0.0.1:1" },
		"name a credentials file": func(g *gcpkms.Config) {
			g.Endpoint, g.TokenEndpoint = "https://kms.example.org", "https://sts.example.org"
		},
		"what it signs": func(g *gcpkms.Config) {
			g.Endpoint, g.TokenEndpoint, g.CredentialsJSON = "https://kms.example.org", "https://sts.example.org", text(t, serviceAccount())
		},
		"the service account is of \"\"": func(g *gcpkms.Config) {
			f := serviceAccount()
			delete(f, "token_uri")
			g.Endpoint, g.TokenEndpoint, g.CredentialsJSON = "https://kms.example.org", "https://sts.example.org", text(t, f)
		},
	} {
		c := base()
		c.Tokens = nil
		change(&c)
		if _, err := gcpkms.Open(t.Context(), c); err == nil || inWords(t, err).Kind != broker.Misuse || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestADefaultFileThatCannotBeRead is a mistake, not a reason to go on without.
func TestADefaultFileThatCannotBeRead(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist")
	c := base()
	c.Tokens = nil
	if _, err := gcpkms.Open(t.Context(), c); err == nil || inWords(t, err).Kind != broker.Misuse {
		t.Errorf("%v", err)
	}
}

// TestTheProxy carries what goes to KMS, still sealed for the endpoint, and what goes
// to token services.
func TestTheProxy(t *testing.T) {
	t.Parallel()
	at := newTokens(t)
	var mu sync.Mutex
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		through = append(through, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	p := open(t, base(), func(g *gcpkms.Config) {
		g.Proxy, g.Endpoint, g.CAPEM = strings.Replace(proxy.URL, "http://", "http://user:secret@", 1), "https://cloudkms.example.org", at.ca
	})
	e := inWords(t, prepare(t, p))
	if e.Kind != broker.Unavailable || strings.Contains(e.Error(), "secret") || !strings.Contains(e.Error(), "403") {
		t.Errorf("%v", e)
	}
	p = open(t, base(), func(g *gcpkms.Config) {
		g.Proxy, g.Tokens, g.CredentialsJSON, g.TokenEndpoint = proxy.URL, nil, text(t, user()), "https://tokens.example.org"
	})
	if e := inWords(t, prepare(t, p)); e.Kind != broker.Unavailable {
		t.Errorf("%v", e)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"CONNECT cloudkms.example.org:443 Basic dXNlcjpzZWNyZXQ=", "CONNECT tokens.example.org:443 "}; !slices.Equal(through, want) {
		t.Errorf("went through the proxy: %q", through)
	}
}

// TestAnUntrustedEndpoint is sent nothing.
func TestAnUntrustedEndpoint(t *testing.T) {
	t.Parallel()
	ca, other := authority(t), authority(t)
	for name, c := range map[string]struct {
		host string
		pem  []byte
		kind broker.Kind
	}{
		"another CA":   {"127.0.0.1", other.PEM(), broker.Denied},
		"another name": {"127.0.0.2", ca.PEM(), broker.Denied},
	} {
		port := listenTLS(t, c.host, ca, "cloudkms.googleapis.com")
		p := open(t, base(), func(g *gcpkms.Config) { g.Endpoint, g.CAPEM = "https://"+net.JoinHostPort(c.host, port), c.pem })
		if e := inWords(t, prepare(t, p)); e.Kind != c.kind || !strings.Contains(e.Hint, "the CA that the target's config names") {
			t.Errorf("%s: %v (%s)", name, e, e.Hint)
		}
	}
}

// listenTLS answers handshakes and nothing else.
func listenTLS(t *testing.T, on string, ca *emu.Authority, hosts ...string) (port string) {
	t.Helper()
	leaf, err := ca.Leaf(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", on+":0", &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
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
