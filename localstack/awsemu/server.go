package awsemu

import (
	"context"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Server is a running emulator.
type Server struct{}

// Start listens and returns when requests are answered. The server runs until
// Close, or until ctx ends.
func Start(ctx context.Context, c Config) (*Server, error) { return nil, errConfig }

// URL is the HTTP endpoint, on loopback.
func (s *Server) URL() string { return "" }

// TLSURL is the HTTPS endpoint, under the CA of CAPEM.
func (s *Server) TLSURL() string { return "" }

// AdminURL is where faults.Client speaks to.
func (s *Server) AdminURL() string { return "" }

// Admin is a client of the admin API.
func (s *Server) Admin() faults.Client { return faults.Client{URL: s.AdminURL()} }

// CAPEM is the run CA's certificate.
func (s *Server) CAPEM() []byte { return nil }

// Account is the default account's id.
func (s *Server) Account() string { return "" }

// Credentials are the default ones.
func (s *Server) Credentials() AccessKey { return AccessKey{} }

// Close stops listening and waits for every call, late commit and background
// work to end.
func (s *Server) Close() error { return nil }
