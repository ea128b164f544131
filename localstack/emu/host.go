package emu

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Host is what an emulator listens with, from its start to its end.
type Host struct {
	Log     *slog.Logger
	Pool    *Pool  // filled ahead
	Release func() // ends the calls that are held or late

	stop    context.CancelFunc
	unhook  func() bool // Close from the end of Start's context
	running sync.WaitGroup
	closing sync.Once
	calls   sync.RWMutex // read by each HTTP request being served, written by Close
	closers []func() error
}

// Start lets the emulator listen. What it serves runs until Close, or until ctx ends.
func (h *Host) Start(ctx context.Context, listen func(context.Context) error) error {
	ctx, h.stop = context.WithCancel(ctx)
	if err := listen(ctx); err != nil {
		return errors.Join(err, h.Close())
	}
	h.running.Go(func() {
		if err := h.Pool.Fill(ctx); err != nil {
			h.Log.ErrorContext(ctx, "make keys ahead", "error", err)
		}
	})
	h.unhook = context.AfterFunc(ctx, func() { _ = h.Close() })
	return nil
}

// Listen opens a port, which closes with the host. Only Start's listen may call it.
func (h *Host) Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	h.closers = append(h.closers, l.Close)
	return l, nil
}

// Serve runs a server until stop makes it return. Only Start's listen may call it.
func (h *Host) Serve(ctx context.Context, serve, stop func() error) {
	h.closers = append(h.closers, stop)
	h.running.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			h.Log.ErrorContext(ctx, "serve", "error", err)
		}
	})
}

// ServeHTTP speaks HTTP/1.1 only: a fault that closes a connection closes one call. With
// certificates it speaks TLS.
func (h *Host) ServeHTTP(ctx context.Context, l net.Listener, handler http.Handler, certificates ...tls.Certificate) {
	counted := func(w http.ResponseWriter, r *http.Request) {
		h.calls.RLock()
		defer h.calls.RUnlock()
		handler.ServeHTTP(w, r)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute, Protocols: protocols,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	serve := func() error { return server.Serve(l) }
	if len(certificates) > 0 {
		server.TLSConfig = &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
		serve = func() error { return server.ServeTLS(l, "", "") }
	}
	h.Serve(ctx, serve, server.Close)
}

// Close stops listening, ends what is held or late, and waits for every call and
// background work to end. Closing again waits too.
func (h *Host) Close() error {
	var err error
	h.closing.Do(func() {
		if h.unhook != nil {
			h.unhook()
		}
		h.stop()
		h.Release()
		for _, c := range h.closers {
			if failed := c(); !errors.Is(failed, net.ErrClosed) {
				err = errors.Join(err, failed)
			}
		}
	})
	h.running.Wait()
	h.calls.Lock()
	defer h.calls.Unlock()
	return err
}
