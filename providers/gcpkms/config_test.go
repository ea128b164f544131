package gcpkms_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigNamesTheField: each mistake is Misuse, and says which field is wrong.
func TestConfigNamesTheField(t *testing.T) {
	t.Parallel()
	empty := write(t, "empty.pem", "")
	for want, change := range map[string]func(*gcpkms.Config){
		"project":             func(c *gcpkms.Config) { c.Project = "123456789012" },
		"project: \"P\"":      func(c *gcpkms.Config) { c.Project = "P" },
		"location":            func(c *gcpkms.Config) { c.Location = "Mars/1" },
		"ring":                func(c *gcpkms.Config) { c.Ring = "a/b" },
		"now":                 func(c *gcpkms.Config) { c.Now = nil },
		"protection":          func(c *gcpkms.Config) { c.Protection = "external" },
		"wrapping key bits":   func(c *gcpkms.Config) { c.WrappingKeyBits = 2048 },
		"deletion window":     func(c *gcpkms.Config) { c.DeletionWindow = 23 * time.Hour },
		"120 days":            func(c *gcpkms.Config) { c.DeletionWindow = 121 * 24 * time.Hour },
		"whole seconds":       func(c *gcpkms.Config) { c.DeletionWindow = 25*time.Hour + time.Millisecond },
		"proxy":               func(c *gcpkms.Config) { c.Proxy = "proxy" },
		"like http://":        func(c *gcpkms.Config) { c.Proxy = "socks5://proxy:1080" },
		"impersonate":         func(c *gcpkms.Config) { c.Tokens, c.Impersonate = nil, "somebody" },
		"address of":          func(c *gcpkms.Config) { c.Tokens, c.ProofImpersonate = nil, "a@b/../c" },
		"exclude each other":  func(c *gcpkms.Config) { c.Impersonate = "a@b.iam.gserviceaccount.com" },
		"a file and a pool":   func(c *gcpkms.Config) { c.CAPEM, c.RootCAs = []byte("x"), x509.NewCertPool() },
		"more than scheme":    func(c *gcpkms.Config) { c.Endpoint = "https://host/path" },
		"not a URL like":      func(c *gcpkms.Config) { c.Endpoint = "grpc://host" },
		"must be https":       func(c *gcpkms.Config) { c.Endpoint = "http://cloudkms.googleapis.com" },
		"so it must be https": func(c *gcpkms.Config) { c.TokenEndpoint = "http://10.0.0.1" },
		"production requires": func(c *gcpkms.Config) { c.Endpoint, c.Production = "https://kms.example.org", true },
		"which production":    func(c *gcpkms.Config) { c.TokenEndpoint, c.Production = "https://sts.example.org", true },
		"no certificate":      func(c *gcpkms.Config) { c.CAFile = empty },
		"read CA file":        func(c *gcpkms.Config) { c.CAFile = empty + "x" },
		"read credentials":    func(c *gcpkms.Config) { c.Tokens, c.CredentialsFile = nil, empty+"x" },
	} {
		c := base()
		change(&c)
		_, err := gcpkms.Open(t.Context(), c)
		if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestProjectsOfDomains(t *testing.T) {
	t.Parallel()
	c := base()
	c.Project = "example.com:keyferry-tests"
	if got := open(t, c).String(); !strings.Contains(got, "projects/"+c.Project+"/") {
		t.Errorf("it is %s", got)
	}
}

// endpoints are hosts, and whether they are Google's for europe-west3.
var endpoints = map[string]struct {
	genuine bool
	class   string
}{
	"":                                                  {true, "google"},
	"https://cloudkms.googleapis.com":                   {true, "google"},
	"https://CloudKMS.googleapis.com.":                  {true, "google"},
	"https://cloudkms.googleapis.com:443":               {true, "google"},
	"https://cloudkms.mtls.googleapis.com":              {true, "google"},
	"https://private.googleapis.com":                    {true, "google"},
	"https://restricted.googleapis.com":                 {true, "google"},
	"https://cloudkms.europe-west3.rep.googleapis.com":  {true, "google-regional"},
	"https://europe-west3-cloudkms.googleapis.com":      {true, "google-regional"},
	"https://cloudkms-bank.p.googleapis.com":            {true, "google-private"},
	"https://cloudkms.us-east1.rep.googleapis.com":      {false, "not-google"},
	"https://us-east1-cloudkms.googleapis.com":          {false, "not-google"},
	"https://bank.p.googleapis.com":                     {false, "not-google"},
	"https://cloudkms-a.b.p.googleapis.com":             {false, "not-google"},
	"https://cloudkms.storage.googleapis.com":           {false, "not-google"},
	"https://storage.googleapis.com":                    {false, "not-google"},
	"https://googleapis.com":                            {false, "not-google"},
	"https://cloudkms.googleapis.com.evil.example":      {false, "not-google"},
	"https://evilcloudkms.googleapis.com":               {false, "not-google"},
	"https://cloudkms-bank.p.googleapis.com.evil.org":   {false, "not-google"},
	"https://127.0.0.1:4443":                            {false, "not-google"},
	"http://127.0.0.1:4443":                             {false, "loopback-without"},
	"http://[::1]:4443":                                 {false, "loopback-without"},
	"http://localhost":                                  {false, "loopback-without"},
	"https://cloudkms.europe-west3.rep.googleapis.com/": {true, "google-regional"},
}

// TestGenuine: production needs one of Google's hosts of KMS for the location, by TLS
// under the system's roots.
func TestGenuine(t *testing.T) {
	t.Parallel()
	for endpoint, want := range endpoints {
		c := base()
		c.Endpoint = endpoint
		p := open(t, c)
		if p.Genuine() != want.genuine || gcpkms.Class(endpoint, c.Location) != want.class {
			t.Errorf("%q is genuine: %v, of class %s", endpoint, p.Genuine(), gcpkms.Class(endpoint, c.Location))
		}
		c.Production = true
		q, err := gcpkms.Open(t.Context(), c)
		if (err == nil) != want.genuine {
			t.Errorf("%q in production: %v", endpoint, err)
		}
		if err == nil {
			q.Close()
		}
	}
}

// TestNotGenuine: roots or tokens of one's own make an endpoint not Google's, whatever
// its name.
func TestNotGenuine(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*gcpkms.Config){
		"pool":   func(c *gcpkms.Config) { c.RootCAs = x509.NewCertPool() },
		"CA":     func(c *gcpkms.Config) { c.CAPEM = authority(t).PEM() },
		"tokens": func(c *gcpkms.Config) { c.TokenEndpoint = "https://tokens.example.org" },
	} {
		if open(t, base(), change).Genuine() {
			t.Errorf("with a %s of its own it is genuine", name)
		}
	}
}

func authority(t *testing.T) *emu.Authority {
	t.Helper()
	a, err := emu.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
