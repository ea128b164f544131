package e2e_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between the program and Google, so that there can be nobody there for a
// while, and the same Google afterwards.
type relay struct {
	addr, to string

	mu       sync.Mutex
	listener net.Listener
	lines    []net.Conn
	running  sync.WaitGroup
}

// relays puts one in the target's config and enrols that.
func (c *clouds) relays(t *testing.T) *relay {
	t.Helper()
	r := &relay{addr: address(t), to: c.GCP.Addr()}
	r.opens(t)
	t.Cleanup(func() { r.closes(t); r.running.Wait() })
	setsAtGoogle("endpoint", "https://"+r.addr)(t, c)
	c.Must(t, "target", "enrol", "gcp", "--reason", "by way of a relay")
	return r
}

// opens listens, where it listened before.
func (r *relay) opens(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", r.addr)
	fatal(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener = listener
	r.running.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			r.carries(from)
		}
	})
}

// carries bytes both ways until either end is closed.
func (r *relay) carries(from net.Conn) {
	to, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = from.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, from, to)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		r.running.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = way[0].Close(), way[1].Close()
		})
	}
}

// closes ends what is connected, and whoever asks finds nobody.
func (r *relay) closes(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener == nil {
		return
	}
	fatal(t, r.listener.Close())
	for _, line := range r.lines {
		_ = line.Close() // it may have ended by itself
	}
	r.listener, r.lines = nil, nil
}
