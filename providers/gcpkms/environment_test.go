package gcpkms_test

import (
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

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
