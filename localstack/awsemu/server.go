package awsemu

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Server is a running emulator.
type Server struct {
	clock   *faults.Clock
	engine  *faults.Engine
	pool    *emu.Pool
	log     *slog.Logger
	actions map[string]action
	nameTag string
	reveal  bool
	account string
	main    AccessKey
	ca      *emu.Authority
	leaf    tls.Certificate

	mu          sync.Mutex // of what follows
	store       *store
	credentials map[string]*credential
	roles       map[string]Role
	settings    Settings
	revealed    []faults.Revealed

	host                 emu.Host
	plain, secure, admin net.Addr
}

// Start listens and returns when requests are answered. The server runs until
// Close, or until ctx ends.
func Start(ctx context.Context, c Config) (*Server, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	if err := s.host.Start(ctx, func(ctx context.Context) error { return s.listen(ctx, c) }); err != nil {
		return nil, err
	}
	return s, nil
}

// newServer takes a complete config.
func newServer(c Config) (*Server, error) {
	pool, err := emu.NewPool(emu.PoolConfig{Dir: c.PoolDir, Size: c.PoolSize, Reuse: c.ReuseWrappingKeys})
	if err != nil {
		return nil, err
	}
	leaf, err := c.CA.Leaf(c.Hosts...)
	if err := errors.Join(err, c.CA.WriteFile(c.CAFile)); err != nil {
		return nil, err
	}
	clock := faults.NewClock(c.Now)
	s := &Server{
		clock: clock, engine: faults.NewEngine(clock, c.Now), pool: pool, log: c.Log, nameTag: c.KeyNameTag, reveal: c.Reveal, account: c.AccountID, ca: c.CA, leaf: leaf,
		main:  AccessKey{ID: randomID("AKIA"), Secret: randomText(30), Account: c.AccountID},
		store: newStore(), actions: map[string]action{}, credentials: map[string]*credential{}, roles: map[string]Role{},
		settings: c.Settings,
	}
	s.host = emu.Host{Log: s.log, Pool: s.pool, Release: s.engine.Close}
	for _, a := range actions() {
		s.actions[a.name] = a
	}
	return s, s.apply(Change{AccessKeys: append([]AccessKey{s.main}, c.AccessKeys...), Roles: c.Roles})
}

// listen opens the three ports and serves them.
func (s *Server) listen(ctx context.Context, c Config) error {
	for _, l := range []struct {
		at           *net.Addr
		addr         string
		handler      http.Handler
		certificates []tls.Certificate
	}{
		{&s.plain, c.Addr, s, nil},
		{&s.secure, c.TLSAddr, s, []tls.Certificate{s.leaf}},
		{&s.admin, c.AdminAddr, faults.Admin(s.engine, subjectOf{s}), nil},
	} {
		listener, err := s.host.Listen(ctx, l.addr)
		if err != nil {
			return err
		}
		*l.at = listener.Addr()
		s.host.ServeHTTP(ctx, listener, l.handler, l.certificates...)
	}
	return nil
}

// URL is the HTTP endpoint, on loopback.
func (s *Server) URL() string { return "http://" + s.plain.String() }

// TLSURL is the HTTPS endpoint, under the CA of CAPEM.
func (s *Server) TLSURL() string { return "https://" + s.secure.String() }

// AdminURL is where faults.Client speaks to.
func (s *Server) AdminURL() string { return "http://" + s.admin.String() }

// Admin is a client of the admin API.
func (s *Server) Admin() faults.Client { return faults.Client{URL: s.AdminURL()} }

// CAPEM is the run CA's certificate.
func (s *Server) CAPEM() []byte { return s.ca.PEM() }

// Account is the default account's id.
func (s *Server) Account() string { return s.account }

// Credentials are the default ones.
func (s *Server) Credentials() AccessKey { return s.main }

// Now is the emulator's time.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Close stops listening, ends what is held or late, and waits for every call and
// background work to end. Closing again waits too.
func (s *Server) Close() error { return s.host.Close() }
