package gcpkms

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// connect opens a tunnel through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). What goes
// through it is TLS to the endpoint itself.
func connect(ctx context.Context, d *net.Dialer, proxy *url.URL, addr string) (net.Conn, error) {
	at := proxy.Host
	if proxy.Port() == "" {
		at = net.JoinHostPort(proxy.Hostname(), "80")
	}
	conn, err := d.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("reach proxy: %w", err)
	}
	// A proxy that says nothing ends with the context of the dial.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	tunnel, err := tunnelTo(ctx, conn, proxy, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return tunnel, nil
}

func tunnelTo(ctx context.Context, conn net.Conn, proxy *url.URL, addr string) (net.Conn, error) {
	request := (&http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}).WithContext(ctx)
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return nil, fmt.Errorf("ask proxy for %s: %w", addr, err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, fmt.Errorf("read the proxy's answer: %w", err)
	}
	_ = answer.Body.Close() // an answer to CONNECT has none
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the proxy refuses %s: %s", addr, plain(answer.Status))
	case reader.Buffered() > 0:
		return nil, fmt.Errorf("the proxy spoke before the endpoint was asked")
	}
	return conn, nil
}
