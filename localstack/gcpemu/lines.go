package gcpemu

import (
	"net"
	"sync"
)

// lines is a listener that can close the connection of one client. HTTP/2 carries
// many calls on a connection: all of them end with it.
type lines struct {
	net.Listener

	mu   sync.Mutex
	open map[string]net.Conn // by the client's address
}

func newLines(l net.Listener) *lines { return &lines{Listener: l, open: map[string]net.Conn{}} }

// Accept remembers the connection until it is closed.
func (l *lines) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c.RemoteAddr().String()] = c
	return line{c, l}, nil
}

// cut closes the connection from this address.
func (l *lines) cut(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[from]; c != nil {
		_ = c.Close() // the server sees it end
	}
}

// line is a connection of lines.
type line struct {
	net.Conn

	of *lines
}

// Close forgets it.
func (c line) Close() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.open, c.RemoteAddr().String())
	return c.Conn.Close()
}
