package gcpkms_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

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
