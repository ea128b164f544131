package gcpemu

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyferry/keyferry/localstack/faults"
)

// wire is a gRPC server and the connections it holds.
type wire struct {
	*grpc.Server

	lines *lines
}

// listen opens the four ports and serves them.
func (s *Server) listen(ctx context.Context, c Config) error {
	leaf, err := c.CA.Leaf(append([]string{"*.googleapis.com"}, c.Hosts...)...)
	if err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	if err := s.listenRPC(ctx, "tls", c.Addr, grpc.Creds(credentials.NewTLS(secure))); err != nil {
		return err
	}
	if err := s.listenRPC(ctx, "plain", c.PlainAddr); err != nil {
		return err
	}
	s.token, s.admin = s.newHTTP(s.tokenService()), s.newHTTP(faults.Admin(s.engine, subjectOf{s}))
	s.token.TLSConfig = secure.Clone()
	return errors.Join(s.listenHTTP(ctx, "token", c.TokenAddr, s.token), s.listenHTTP(ctx, "admin", c.AdminAddr, s.admin))
}

func (s *Server) bind(ctx context.Context, name, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.addr[name] = l.Addr()
	return l, nil
}

func (s *Server) listenRPC(ctx context.Context, name, addr string, o ...grpc.ServerOption) error {
	l, err := s.bind(ctx, name, addr)
	if err != nil {
		return err
	}
	w := &wire{lines: newLines(l)}
	w.Server = grpc.NewServer(append(o, grpc.WaitForHandlers(true), grpc.UnaryInterceptor(s.intercept(w.lines)))...)
	kmspb.RegisterKeyManagementServiceServer(w, kmspb.UnimplementedKeyManagementServiceServer{})
	location.RegisterLocationsServer(w.Server, &location.UnimplementedLocationsServer{})
	s.wires = append(s.wires, w)
	s.running.Go(func() {
		if err := w.Serve(w.lines); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			s.log.ErrorContext(ctx, "serve", "error", err)
		}
	})
	return nil
}

// newHTTP speaks HTTP/1.1 only: a fault that closes a connection closes one call.
func (s *Server) newHTTP(h http.Handler) *http.Server {
	counted := func(w http.ResponseWriter, r *http.Request) {
		s.calls.RLock()
		defer s.calls.RUnlock()
		h.ServeHTTP(w, r)
	}
	return &http.Server{Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
}

func (s *Server) listenHTTP(ctx context.Context, name, addr string, h *http.Server) error {
	l, err := s.bind(ctx, name, addr)
	if err != nil {
		return err
	}
	if h.TLSConfig != nil {
		l = tls.NewListener(l, h.TLSConfig)
	}
	s.running.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "serve", "error", err)
		}
	})
	return nil
}
