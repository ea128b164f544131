package endpoint_test

import (
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

func TestBoundedEndsWhereItIsTooLong(t *testing.T) {
	t.Parallel()
	for text, cut := range map[string]bool{"": false, "123": false, "1234": false, "12345": true, strings.Repeat("x", 5000): true} {
		got, err := io.ReadAll(endpoint.Bounded(io.NopCloser(strings.NewReader(text)), 5))
		if errors.Is(err, io.ErrUnexpectedEOF) != cut || string(got) != text[:min(len(text), 5)] {
			t.Errorf("%d bytes: read %q, %v", len(text), got, err)
		}
	}
}

func TestParseProxy(t *testing.T) {
	t.Parallel()
	if u, err := endpoint.ParseProxy(""); u != nil || err != nil {
		t.Errorf("none: %v, %v", u, err)
	}
	if u, err := endpoint.ParseProxy("http://user:secret@proxy:3128"); err != nil || u.Host != "proxy:3128" {
		t.Errorf("%v, %v", u, err)
	}
	for _, raw := range []string{"proxy:3128", "/secret", "http://", "http://secret:\x00@proxy"} {
		if _, err := endpoint.ParseProxy(raw); !errors.Is(err, broker.Misuse) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	given := x509.NewCertPool()
	if pool, err := endpoint.Roots("", nil, given); pool != given || err != nil {
		t.Errorf("a pool: %v, %v", pool, err)
	}
	for _, text := range []string{"", "no certificate"} {
		if _, err := endpoint.Roots("ca.pem", []byte(text), nil); !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "ca.pem") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSeenAt(t *testing.T) {
	t.Parallel()
	theirs, ours := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 1, 0, 0, 0, time.FixedZone("", 3600))
	if got := endpoint.SeenAt(broker.Receipt{ServerTime: theirs}, ours); !got.Equal(theirs) {
		t.Errorf("with their clock %s", got)
	}
	if got := endpoint.SeenAt(broker.Receipt{}, ours); got != ours.UTC() {
		t.Errorf("without their clock %s", got)
	}
}
