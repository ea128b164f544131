package azureemu

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

	servers  []*http.Server
	adminURL string
	addr     string
	stop     context.CancelFunc
	unhook   func() bool // Close from the end of Start's context
	running  sync.WaitGroup
	closing  sync.Once
	calls    sync.RWMutex // read by each request being served, written by Close
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
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.listen(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.running.Go(func() {
		if err := s.pool.Fill(ctx); err != nil {
			s.log.ErrorContext(ctx, "make keys ahead", "error", err)
		}
	})
	s.unhook = context.AfterFunc(ctx, func() { _ = s.Close() })
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
	return s, s.apply(Change{Vaults: c.Vaults, Principals: append([]Principal{{ClientID: s.main}}, c.Principals...)})
}

// listen opens the three ports, and serves them when all addresses are known.
func (s *Server) listen(ctx context.Context, c Config) error {
	handlers := []http.Handler{http.HandlerFunc(s.serveVault), http.HandlerFunc(s.serveEntra), faults.Admin(s.engine, subjectOf{s})}
	listeners := make([]net.Listener, len(handlers))
	for i, addr := range []string{c.Addr, c.EntraAddr, c.AdminAddr} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, open := range listeners[:i] {
				err = errors.Join(err, open.Close())
			}
			return fmt.Errorf("listen: %w", err)
		}
		listeners[i] = l
	}
	s.addr, s.adminURL = listeners[0].Addr().String(), "http://"+listeners[2].Addr().String()
	_, s.port, _ = net.SplitHostPort(s.addr) // of a listener, it has one
	_, port, _ := net.SplitHostPort(listeners[1].Addr().String())
	s.entraURL = "https://localhost:" + port
	for i, h := range handlers {
		server := s.server(h, i < 2)
		s.servers = append(s.servers, server)
		s.running.Go(func() { s.serve(ctx, server, listeners[i]) })
	}
	return nil
}

// server speaks HTTP/1.1 only: a fault that closes a connection closes one call.
func (s *Server) server(h http.Handler, secure bool) *http.Server {
	counted := func(w http.ResponseWriter, r *http.Request) {
		s.calls.RLock()
		defer s.calls.RUnlock()
		h.ServeHTTP(w, r)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute, Protocols: protocols,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	if secure {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.leaf}, MinVersion: tls.VersionTLS12}
	}
	return server
}

func (s *Server) serve(ctx context.Context, h *http.Server, l net.Listener) {
	var err error
	if h.TLSConfig != nil {
		err = h.ServeTLS(l, "", "")
	} else {
		err = h.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.log.ErrorContext(ctx, "serve", "error", err)
	}
}

// Close stops listening, ends what is held or late, and waits for every call and
// background work to end. Closing again waits too.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		if s.unhook != nil {
			s.unhook()
		}
		s.stop()
		s.engine.Close()
		for _, h := range s.servers {
			err = errors.Join(err, h.Close())
		}
	})
	s.running.Wait()
	s.calls.Lock()
	defer s.calls.Unlock()
	return err
}
