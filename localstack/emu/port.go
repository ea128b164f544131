package emu

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
)

// The ports of FreePort are below those that a system hands out to whoever wants any (IANA
// begins at 49152, RFC 6335; Linux at 32768): one of them that is closed stays free.
const (
	firstFree = 20_000
	free      = 12_000
)

// FreePort is one of 127.0.0.1 that nobody listens at: for a listener that comes later, or
// that goes away and comes back.
func FreePort(ctx context.Context) (port int, err error) {
	for range 100 {
		var some [2]byte
		_, _ = rand.Read(some[:]) // never fails
		port = firstFree + int(binary.BigEndian.Uint16(some[:]))%free
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
