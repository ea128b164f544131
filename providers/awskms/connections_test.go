package awskms_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/providers/awskms"
)

// One call after the other goes by one connection.
func TestCallsShareAConnection(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	e := emulate(t, func(e *emulated, c *awskms.Config) { c.Endpoint = counting(t, e.server, &opened) })
	for range 200 {
		for _, err := range e.provider.Look(t.Context(), broker.Query{Consumer: "alias/nobody"}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("200 calls opened %d connections", n)
	}
}

// counting is a proxy in front of the emulator that counts who comes.
func counting(t *testing.T, server *awsemu.Server, opened *atomic.Int64) string {
	t.Helper()
	to, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }})
	proxy.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	proxy.Start()
	t.Cleanup(proxy.Close)
	return proxy.URL
}
