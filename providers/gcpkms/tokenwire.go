package gcpkms

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// googleDomain is that of Google's services.
const googleDomain = "googleapis.com"

// issuers are Google's token services; accounts.google.com is named by old files.
var issuers = []string{"oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com", "www.googleapis.com", "accounts.google.com"}

// issuer reports whether a host is one of Google's token services, or a regional or
// mutual-TLS name of one.
func issuer(host string) bool {
	for _, known := range issuers {
		name, rest, _ := strings.Cut(known, ".")
		if host == known || strings.HasPrefix(host, name+".") && strings.HasSuffix(host, "."+rest) && rest == googleDomain {
			return true
		}
	}
	return false
}

// issues reports whether a URL is of a token service that tokens may be asked of.
func (c Config) issues(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return false
	}
	if u.Scheme == "https" && issuer(canonicalHost(u)) && (u.Port() == "" || u.Port() == "443") {
		return true
	}
	return c.atTokenEndpoint(raw)
}

// atTokenEndpoint reports whether a URL is of the configured token endpoint.
func (c Config) atTokenEndpoint(raw string) bool {
	u, err := url.Parse(raw)
	at, wrong := url.Parse(c.TokenEndpoint)
	return err == nil && wrong == nil && c.TokenEndpoint != "" && u.Scheme == at.Scheme && u.Host == at.Host
}

// tokenWire is the transport of everything that has to do with tokens. It opens
// connections to token services, to this machine's metadata service, and where the
// credentials file says that a workload's own identity comes from.
type tokenWire struct {
	inner http.RoundTripper
	to    *url.URL // nil: Google's own
	also  string   // host of the workload's identity; "" none
	c     Config
}

// newTokenClient is the HTTP client of everything that has to do with tokens.
func newTokenClient(c Config) (*http.Client, *http.Transport, error) {
	roots, err := endpoint.Roots(c.CAFile, c.CAPEM, c.RootCAs)
	if err != nil {
		return nil, nil, err
	}
	proxy, err := endpoint.ParseProxy(c.Proxy)
	if err != nil {
		return nil, nil, err
	}
	t := tokenWire{c: c, also: c.identitySource()}
	if c.TokenEndpoint != "" {
		if t.to, err = url.Parse(c.TokenEndpoint); err != nil {
			return nil, nil, fmt.Errorf("parse token endpoint: %w", err)
		}
	}
	transport := &http.Transport{
		Proxy:                 proxyFor(proxy),
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	t.inner = transport
	return &http.Client{
		Transport:     t,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, transport, nil
}

// proxyFor leaves the metadata service of this machine out, which no proxy reaches.
func proxyFor(proxy *url.URL) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if proxy == nil || local(r.URL.Hostname()) {
			return nil, nil //nolint:nilnil // no proxy is no error
		}
		return proxy, nil
	}
}

// local reports whether a host is this machine, or its metadata service.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast()) || host == "localhost" || host == "metadata.google.internal"
}

// identitySource is the host that the credentials file fetches a workload's own
// identity from; "" for none.
func (c Config) identitySource() string {
	text, err := c.credentials()
	if err != nil || text == nil {
		return ""
	}
	f, err := parseFile(text, c)
	if err != nil {
		return ""
	}
	u, err := url.Parse(f.CredentialSource.URL)
	if err != nil || u.Scheme != "https" && !local(u.Hostname()) {
		return ""
	}
	return u.Host
}

// RoundTrip implements http.RoundTripper.
func (t tokenWire) RoundTrip(req *http.Request) (*http.Response, error) {
	host := canonicalHost(req.URL)
	if t.to != nil && req.URL.Scheme == "https" && issuer(host) {
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host, req.Host = t.to.Scheme, t.to.Host, t.to.Host
	} else if !t.c.issues(req.URL.String()) && !local(host) && (t.also == "" || req.URL.Host != t.also) {
		return nil, &tokenError{kind: broker.Denied, err: fmt.Errorf(
			"fetch credentials from %s: not Google's; endpoints in the environment do not count", plain(req.URL.Host))}
	}
	resp, err := t.inner.RoundTrip(req)
	if err != nil {
		return nil, untrustedToken(err)
	}
	resp.Body = endpoint.Bounded(resp.Body, tokenBytes)
	return resp, nil
}

// untrustedToken marks an error that a token service's certificate is the cause of.
func untrustedToken(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &tokenError{kind: broker.Denied, err: err}
	}
	return err
}

// tokenBytes is the most that an answer with a token may have.
const tokenBytes = 1 << 20
