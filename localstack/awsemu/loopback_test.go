package awsemu_test

import (
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

// Nothing but this machine reaches an emulator that was not told otherwise.
func TestListensOnLoopback(t *testing.T) {
	t.Parallel()
	s, err := awsemu.Start(t.Context(), awsemu.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, endpoint := range []string{s.URL(), s.TLSURL(), s.AdminURL()} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if addr, err := netip.ParseAddrPort(u.Host); err != nil || !addr.Addr().IsLoopback() {
			t.Errorf("%s is not on loopback: %v", endpoint, err)
		}
	}
}
