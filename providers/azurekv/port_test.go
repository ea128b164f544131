package azurekv_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// atPort443 gives a script the address that a vault has, without a port; a proxy leads
// there.
func (s *script) atPort443(t *testing.T) (proxy string) {
	t.Helper()
	addr := "127.0.0.1:" + s.port(t)
	s.URL = "https://test.vault.localhost"
	var piping sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "test.vault.localhost:443" {
			http.Error(w, "a proxy to the vault alone", http.StatusBadRequest)
			return
		}
		tunnel(context.WithoutCancel(t.Context()), w, addr, &piping)
	}))
	t.Cleanup(func() { server.Close(); piping.Wait() })
	return server.URL
}

// TestPortOfHTTPS is written out in the service's next links, and in ids of a Managed
// HSM. It is no other vault, and the token goes there, once.
func TestPortOfHTTPS(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(a asking, w http.ResponseWriter) {
		answers := about(s.URL+":443/keys/payments-db", someVersion)
		if a.action == "ListKeys" && !strings.Contains(a.query, "skiptoken") {
			answers["ListKeys"] = object{"value": []object{{"kid": s.URL + ":443/keys/first"}}, "nextLink": s.URL + ":443/keys?api-version=7.6&$skiptoken=a"}.String()
		}
		if first := s.URL + ":443/keys/first/" + someVersion; strings.HasPrefix(a.path, "/keys/first/") {
			answers["GetKey"], answers["ListKeyVersions"] = ecBundle(first).String(), list(first)
		}
		saying(answers)(a, w)
	})
	proxy := s.atPort443(t)
	source := &fixed{token: "token"}
	p := adapter(t, s, func(c *azurekv.Config) { c.Proxy, c.Credentials.Tokens = proxy, source })
	for call, err := range each(t, s, p) {
		if !strings.HasSuffix(call, "KEK") && err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	seen, err := look(t, p, broker.Query{All: true})
	if err != nil || len(seen) != 2 || seen[0].Version.Key.ID != s.URL+"/keys/first" || seen[1].Version.Key != s.ref() {
		t.Errorf("%+v, %v", seen, err)
	}
	if source.asked() != 1 {
		t.Errorf("%d tokens were asked for", source.asked())
	}
}

// TestChallengedOnALaterPage: its own check of the resource passes with the port there.
func TestChallengedOnALaterPage(t *testing.T) {
	t.Parallel()
	var s *script
	challenged := false
	s = newBare(t, func(a asking, w http.ResponseWriter) {
		later := strings.Contains(a.query, "skiptoken")
		if a.token == "" || later && !challenged {
			challenged = challenged || later
			w.Header().Set("WWW-Authenticate", s.challenge())
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next := any(nil)
		if !later {
			next = s.URL + ":443/keys?$skiptoken=a"
		}
		_, _ = io.WriteString(w, object{"value": []object{}, "nextLink": next}.String())
	})
	proxy := s.atPort443(t)
	p := adapter(t, s, func(c *azurekv.Config) { c.Proxy = proxy })
	if _, err := p.Identify(t.Context()); err != nil || !challenged {
		t.Errorf("challenged: %v, %v", challenged, err)
	}
}
