package azurekv

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// wire is the HTTP client of one provider (policy.Transporter). It follows no
// redirect and notes of every call what evidence and error messages need.
type wire struct {
	transport *http.Transport
	client    *http.Client
	vault     string // host and port of the vault
	now       func() time.Time
}

func newWire(c Config) (*wire, error) {
	roots, err := endpoint.Roots(c.CAFile, c.CAPEM, c.RootCAs)
	if err != nil {
		return nil, err
	}
	proxy, err := endpoint.ParseProxy(c.Proxy)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) { return proxyFor(proxy, r.URL.Hostname()), nil },
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, dialled(address))
		},
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   32,
		ForceAttemptHTTP2:     true,
	}
	vault, err := url.Parse(c.VaultURL)
	if err != nil {
		return nil, fmt.Errorf("parse vault: %w", err)
	}
	return &wire{transport: transport, vault: vault.Host, now: c.Now, client: &http.Client{
		Transport:     transport,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Bounds of one answer: a target that drips or floods ends as an answer that was cut.
const (
	callTimeout = 2 * time.Minute // with its body
	answerBytes = 4 << 20
)

// record is what was noted of one call.
type record struct {
	sent       bool // an authorised request may have arrived; one without a token does nothing
	answered   bool // the vault answered it
	receipt    broker.Receipt
	retryAfter time.Duration
	localTime  time.Time // when the answer came, by this machine's clock
}

type recordKey struct{}

// recording is a context in which the wire notes into rec.
func recording(ctx context.Context, rec *record) context.Context {
	return context.WithValue(ctx, recordKey{}, rec)
}

// Do sends one request. What goes to the vault is the call; what goes elsewhere asks
// for a token.
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	rec, ok := req.Context().Value(recordKey{}).(*record)
	if ok && req.URL.Host == w.vault && req.Header.Get("Authorization") != "" {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { rec.sent = true }}
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	}
	resp, err := w.client.Do(req) //nolint:gosec // the enrolment says where to
	if err != nil {
		return nil, err
	}
	resp.Body = endpoint.Bounded(resp.Body, answerBytes)
	if ok && req.URL.Host == w.vault {
		rec.note(resp, w.now())
	}
	return resp, nil
}

func (r *record) note(resp *http.Response, now time.Time) {
	r.localTime, r.answered = now, resp.Request.Header.Get("Authorization") != ""
	r.receipt.Endpoint, r.receipt.RequestID = resp.Request.URL.Host, short(resp.Header.Get("X-Ms-Request-Id"))
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		r.receipt.ServerTime = at.UTC()
	}
	r.retryAfter = retryAfter(resp.Header, now)
	if resp.TLS == nil {
		return
	}
	r.receipt.TLSVersion, r.receipt.TLSGroup = tls.VersionName(resp.TLS.Version), resp.TLS.CurveID.String()
	if peers := resp.TLS.PeerCertificates; len(peers) > 0 {
		sum := sha256.Sum256(peers[0].Raw)
		r.receipt.TLSPeer = hex.EncodeToString(sum[:])
	}
}
