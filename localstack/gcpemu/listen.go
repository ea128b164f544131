package gcpemu

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

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
	secure := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12})
	return cmp.Or(
		s.listenRPC(ctx, "tls", c.Addr, grpc.Creds(secure)),
		s.listenRPC(ctx, "plain", c.PlainAddr),
		s.listenHTTP(ctx, "token", c.TokenAddr, s.tokenService(), leaf),
		s.listenHTTP(ctx, "admin", c.AdminAddr, faults.Admin(s.engine, subjectOf{s})),
	)
}

func (s *Server) bind(ctx context.Context, name, addr string) (net.Listener, error) {
	l, err := s.host.Listen(ctx, addr)
	if err != nil {
		return nil, err
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
	serve := func() error {
		if err := w.Serve(w.lines); !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}
	s.host.Serve(ctx, serve, func() error { w.Stop(); return nil })
	return nil
}

func (s *Server) listenHTTP(ctx context.Context, name, addr string, h http.Handler, certificates ...tls.Certificate) error {
	l, err := s.bind(ctx, name, addr)
	if err != nil {
		return err
	}
	s.host.ServeHTTP(ctx, l, h, certificates...)
	return nil
}
