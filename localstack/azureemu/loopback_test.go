package azureemu_test

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

// Nothing but this machine reaches an emulator that was not told otherwise.
func TestListensOnLoopback(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for _, endpoint := range []string{"https://" + e.server.Addr(), e.server.AdminURL()} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if addr, err := netip.ParseAddrPort(u.Host); err != nil || !addr.Addr().IsLoopback() {
			t.Errorf("%s is not on loopback: %v", endpoint, err)
		}
	}
	for _, named := range []string{e.server.AuthorityURL(), e.server.URL(azureemu.DefaultPremium), e.server.URL(azureemu.DefaultPool)} {
		u, err := url.Parse(named)
		if err != nil {
			t.Fatal(err)
		}
		if host := "." + u.Hostname(); !strings.HasSuffix(host, ".localhost") {
			t.Errorf("%s is not below localhost", named)
		}
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(e.server.AuthorityURL(), "https://"))
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatalf("the token endpoint is not on 127.0.0.1: %v", err)
	}
	_ = c.Close()
}
