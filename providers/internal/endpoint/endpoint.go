// Package endpoint is what the adapters of all clouds need at the other end of a
// connection: whom to trust, by which proxy, how long an answer may be, whose clock.
package endpoint

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Roots is the pool that TLS is checked against: of the CA file's text, or the pool that
// was given; nil is the system's. A text without a certificate is Misuse.
func Roots(file string, text []byte, pool *x509.CertPool) (*x509.CertPool, error) {
	if len(text) == 0 && file == "" {
		return pool, nil
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read CA file %s: no certificate in it: %w", file, broker.Misuse)
	}
	return pool, nil
}

// ParseProxy reads the URL of a proxy; nil is none. Anything else is Misuse, and is not
// shown: it may have a password.
func ParseProxy(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, nil //nolint:nilnil // no proxy is no error, and http.ProxyURL(nil) means none
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("proxy is not a URL like http://host:port: %w", broker.Misuse)
	}
	return u, nil
}

// SeenAt is the provider's clock where it said one, and ours else.
func SeenAt(r broker.Receipt, now time.Time) time.Time {
	if !r.ServerTime.IsZero() {
		return r.ServerTime
	}
	return now.UTC()
}

// Bounded is a body that ends with io.ErrUnexpectedEOF where it has more bytes than
// most: a target that floods ends as an answer that was cut, long before memory does.
func Bounded(body io.ReadCloser, most int64) io.ReadCloser {
	return &bounded{ReadCloser: body, left: most, most: most}
}

type bounded struct {
	io.ReadCloser
	left, most int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes: %w", b.most, io.ErrUnexpectedEOF)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
