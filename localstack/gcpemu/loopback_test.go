package gcpemu_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// Nothing but this machine reaches an emulator that was not told otherwise.
func TestListensOnLoopback(t *testing.T) {
	t.Parallel()
	s, err := gcpemu.Start(t.Context(), gcpemu.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, endpoint := range []string{s.Addr(), s.PlainAddr(), s.TokenURL(), s.AdminURL()} {
		host := endpoint[strings.LastIndex(endpoint, "/")+1:]
		if addr, err := netip.ParseAddrPort(host); err != nil || !addr.Addr().IsLoopback() {
			t.Errorf("%s is not on loopback: %v", endpoint, err)
		}
	}
}
