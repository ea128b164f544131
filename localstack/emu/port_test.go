package emu_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Who listens there, goes away and comes back finds it free, though others listened
// wherever there was room meanwhile.
func TestFreePortStaysFree(t *testing.T) {
	t.Parallel()
	port, err := emu.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listen := func(port int) net.Listener {
		t.Helper()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	_ = listen(port).Close()
	for range 200 {
		other := listen(0)
		defer func() { _ = other.Close() }()
		if other.Addr().(*net.TCPAddr).Port == port {
			t.Fatalf("%d was handed out", port)
		}
	}
	_ = listen(port).Close()
}
