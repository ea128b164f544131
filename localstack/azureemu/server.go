package azureemu

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
	now        func() time.Time // real time
	clock      *faults.Clock
	engine     *faults.Engine
	pool       *emu.Pool
	log        *slog.Logger
	ca         *emu.Authority
	leaf       tls.Certificate
	tokens     signer // of access tokens
	federation signer // of the identity provider that principals trust
	tenant     string
	main       string // client id of the default principal
	port       string // of all vaults
	entraURL   string

	mu         sync.Mutex // of what follows
	vaults     map[string]*vault
	principals map[string]*principal // by client id
	backups    map[string]backup
	settings   Settings

	host     emu.Host
	adminURL string
	addr     string
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
	leaf, err := c.CA.Leaf("*.vault.localhost", "*.managedhsm.localhost")
	if err := errors.Join(err, c.CA.WriteFile(c.CAFile)); err != nil {
		return nil, err
	}
	tokens, err := newSigner()
	if err != nil {
		return nil, err
	}
	federation, err := newSigner()
	if err != nil {
		return nil, err
	}
	clock := faults.NewClock(c.Now)
	s := &Server{
		now: c.Now, clock: clock, engine: faults.NewEngine(clock, c.Now), pool: pool, log: c.Log, ca: c.CA, leaf: leaf,
		tokens: tokens, federation: federation, tenant: c.Tenant, main: emu.NewID(),
		vaults: map[string]*vault{}, principals: map[string]*principal{}, backups: map[string]backup{}, settings: c.Settings,
	}
	s.host = emu.Host{Log: s.log, Pool: s.pool, Release: s.engine.Close}
	return s, s.apply(Change{Vaults: c.Vaults, Principals: append([]Principal{{ClientID: s.main}}, c.Principals...)})
}

// listen opens the three ports, and serves them when all addresses are known.
func (s *Server) listen(ctx context.Context, c Config) error {
	handlers := []http.Handler{http.HandlerFunc(s.serveVault), http.HandlerFunc(s.serveEntra), faults.Admin(s.engine, subjectOf{s})}
	listeners := make([]net.Listener, len(handlers))
	for i, addr := range []string{c.Addr, c.EntraAddr, c.AdminAddr} {
		var err error
		if listeners[i], err = s.host.Listen(ctx, addr); err != nil {
			return err
		}
	}
	s.addr, s.adminURL = listeners[0].Addr().String(), "http://"+listeners[2].Addr().String()
	_, s.port, _ = net.SplitHostPort(s.addr) // of a listener, it has one
	_, port, _ := net.SplitHostPort(listeners[1].Addr().String())
	s.entraURL = "https://localhost:" + port
	s.host.ServeHTTP(ctx, listeners[0], handlers[0], s.leaf)
	s.host.ServeHTTP(ctx, listeners[1], handlers[1], s.leaf)
	s.host.ServeHTTP(ctx, listeners[2], handlers[2])
	return nil
}

// Close stops listening, ends what is held or late, and waits for every call and
// background work to end. Closing again waits too.
func (s *Server) Close() error { return s.host.Close() }
