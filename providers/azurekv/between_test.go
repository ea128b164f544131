package azurekv_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
)

// meddling changes the answers of one operation.
type meddling struct {
	action string
	answer func(body []byte) []byte
}

// between is an HTTP proxy that opens TLS under the run CA, and can change answers. A
// connection that breaks behind it breaks before it.
type between struct {
	URL string

	mu       sync.Mutex
	meddling []meddling
}

func newBetween(t *testing.T, ca *emu.Authority) *between {
	t.Helper()
	leaf, err := ca.Leaf("*.vault.localhost", "*.managedhsm.localhost")
	if err != nil {
		t.Fatal(err)
	}
	b := &between{}
	inner := httptest.NewUnstartedServer(b.forward(t, ca))
	inner.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	inner.Config.ErrorLog = log.New(io.Discard, "", 0)
	inner.StartTLS()
	var piping sync.WaitGroup
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "a proxy for TLS alone", http.StatusBadRequest)
			return
		}
		tunnel(context.WithoutCancel(t.Context()), w, inner.Listener.Addr().String(), &piping)
	}))
	t.Cleanup(func() { inner.Close(); outer.Close(); piping.Wait() })
	b.URL = outer.URL
	return b
}

// tunnel takes a connection's bytes to an address and back, until either end closes.
func tunnel(ctx context.Context, w http.ResponseWriter, addr string, piping *sync.WaitGroup) {
	there, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	pipe := func(to, from net.Conn, read io.Reader) {
		_, _ = io.Copy(to, read)
		_, _ = to.Close(), from.Close()
	}
	piping.Go(func() { pipe(there, here, buffered) })
	piping.Go(func() { pipe(here, there, there) })
}

// forward sends a request on to whom its Host names.
func (b *between) forward(t *testing.T, ca *emu.Authority) http.Handler {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1"+addr[strings.LastIndexByte(addr, ':'):])
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport, ModifyResponse: b.modify, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: r.In.Host})
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// meddle changes answers from now on; none before it are changed any more.
func (b *between) meddle(m ...meddling) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meddling = m
}

func (b *between) modify(r *http.Response) error {
	b.mu.Lock()
	all := b.meddling
	b.mu.Unlock()
	for _, m := range all {
		if r.StatusCode >= http.StatusMultipleChoices || m.action != actionOf(r.Request) {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		body = m.answer(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return nil
}

// actionOf is the operation of a request, by the API's paths.
func actionOf(r *http.Request) string {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := part[len(part)-1]
	switch {
	case part[0] == "deletedkeys" && last == "recover":
		return "RecoverDeletedKey"
	case last == "deletedkeys":
		return "ListDeletedKeys"
	case part[0] == "deletedkeys":
		return "GetDeletedKey"
	case last == "keys":
		return "ListKeys"
	case last == "create":
		return "CreateKey"
	case last == "sign":
		return "Sign"
	case last == "decrypt":
		return "Decrypt"
	case last == "versions":
		return "ListKeyVersions"
	default:
		return map[string]string{
			http.MethodGet: "GetKey", http.MethodPut: "ImportKey", http.MethodPatch: "UpdateKey", http.MethodDelete: "DeleteKey",
		}[r.Method]
	}
}
