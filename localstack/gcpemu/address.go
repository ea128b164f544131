package gcpemu

import (
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Addr is the gRPC endpoint "127.0.0.1:PORT", TLS under the CA of CAPEM. The
// certificate is for *.googleapis.com too, for clients that dial elsewhere than they
// ask for.
func (s *Server) Addr() string { return s.addr["tls"].String() }

// PlainAddr is the gRPC endpoint without TLS, on loopback.
func (s *Server) PlainAddr() string { return s.addr["plain"].String() }

// TokenURL is the HTTPS endpoint of the token services, under the same CA.
func (s *Server) TokenURL() string { return "https://" + s.addr["token"].String() }

// AdminURL is where faults.Client speaks to.
func (s *Server) AdminURL() string { return "http://" + s.addr["admin"].String() }

// Admin is a client of the admin API.
func (s *Server) Admin() faults.Client { return faults.Client{URL: s.AdminURL()} }

// CAPEM is the run CA's certificate.
func (s *Server) CAPEM() []byte { return s.ca.PEM() }

// Project is that of the default principal.
func (s *Server) Project() string { return s.project }

// Email is the default principal, which may do everything until a Change says
// otherwise.
func (s *Server) Email() string { return "tester@" + s.project + ".iam.gserviceaccount.com" }

// Now is the emulator's time.
func (s *Server) Now() time.Time { return s.clock.Now() }
