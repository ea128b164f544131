package awskms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// wire is the HTTP client of one provider. It follows no redirect and notes of
// every call what evidence and error messages need.
type wire struct {
	transport *http.Transport
	client    *http.Client
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
	transport := &http.Transport{
		Proxy:                 http.ProxyURL(proxy),
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   32,
		ForceAttemptHTTP2:     true,
	}
	return &wire{transport: transport, now: c.Now, client: &http.Client{
		Transport:     brief{transport},
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Bounds of one answer: a target that drips or floods ends as an answer that was
// cut, long before a lease runs out or memory does. KMS's largest has a few dozen
// KiB.
const (
	callTimeout = 2 * time.Minute // with its body
	answerBytes = 4 << 20
)

// brief is a transport whose answers are bounded, those to credential calls too.
type brief struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t brief) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = endpoint.Bounded(resp.Body, answerBytes)
	return resp, nil
}

// record is what was noted of one call.
type record struct {
	sent       bool // a connection was had: the request may have arrived
	receipt    broker.Receipt
	retryAfter time.Duration
	localTime  time.Time // when the answer came, by this machine's clock
}

type recordKey struct{}

// recording is a context in which the wire notes into rec.
func recording(ctx context.Context, rec *record) context.Context {
	return context.WithValue(ctx, recordKey{}, rec)
}

// Do sends one request (aws.HTTPClient).
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	req, err := withOwnBody(req)
	if err != nil {
		return nil, err
	}
	rec, ok := req.Context().Value(recordKey{}).(*record)
	if !ok || serviceOf(req) != "kms" && rec.receipt.Call != identityCall {
		return w.client.Do(req) //nolint:gosec // the enrolment says where to; fetching credentials is not the call
	}
	rec.receipt.Endpoint = req.URL.Host
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { rec.sent = true }}
	resp, err := w.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace))) //nolint:gosec // the enrolment says where to
	if err != nil {
		return nil, err
	}
	rec.note(resp, w.now())
	return resp, nil
}

// withOwnBody is the request with a body that nobody else has. The SDK closes its own as
// soon as the answer is there, and net/http, where it is not quite done with it, takes that
// for a fault and closes the connection: on a busy machine one call in seven then began with
// a handshake.
func withOwnBody(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	own := req.WithContext(req.Context())
	own.Body = io.NopCloser(bytes.NewReader(text))
	return own, nil
}

// serviceOf tells KMS's JSON protocol from STS's query protocol.
func serviceOf(req *http.Request) string {
	if req.Header.Get("X-Amz-Target") != "" {
		return "kms"
	}
	return "sts"
}

func (r *record) note(resp *http.Response, now time.Time) {
	r.localTime = now
	r.receipt.RequestID = resp.Header.Get("X-Amzn-Requestid")
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		r.receipt.ServerTime = at.UTC()
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.retryAfter = time.Duration(seconds) * time.Second
	}
	if resp.TLS == nil {
		return
	}
	r.receipt.TLSVersion = tls.VersionName(resp.TLS.Version)
	r.receipt.TLSGroup = resp.TLS.CurveID.String()
	if peers := resp.TLS.PeerCertificates; len(peers) > 0 {
		sum := sha256.Sum256(peers[0].Raw)
		r.receipt.TLSPeer = hex.EncodeToString(sum[:])
	}
}
