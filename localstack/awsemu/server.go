package awsemu

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
	clock   *faults.Clock
	engine  *faults.Engine
	pool    *emu.Pool
	log     *slog.Logger
	actions map[string]action
	nameTag string
	account string
	main    AccessKey
	ca      *emu.Authority
	leaf    tls.Certificate

	mu          sync.Mutex // of what follows
	store       *store
	credentials map[string]*credential
	roles       map[string]Role
	settings    Settings

	plain, secure, admin *http.Server
	addr                 map[*http.Server]net.Addr
	stop                 context.CancelFunc
	unhook               func() bool // Close from the end of Start's context
	running              sync.WaitGroup
	closing              sync.Once
	calls                sync.RWMutex // read by each request being served, written by Close
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
			s.log.ErrorContext(ctx, "make wrapping keys ahead", "error", err)
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
	leaf, err := c.CA.Leaf(c.Hosts...)
	if err := errors.Join(err, c.CA.WriteFile(c.CAFile)); err != nil {
		return nil, err
	}
	clock := faults.NewClock(c.Now)
	s := &Server{
		clock: clock, engine: faults.NewEngine(clock, c.Now), pool: pool, log: c.Log, nameTag: c.KeyNameTag, account: c.AccountID, ca: c.CA, leaf: leaf,
		main:  AccessKey{ID: randomID("AKIA"), Secret: randomText(30), Account: c.AccountID},
		store: newStore(), actions: map[string]action{}, credentials: map[string]*credential{}, roles: map[string]Role{},
		settings: c.Settings, addr: map[*http.Server]net.Addr{},
	}
	for _, a := range actions() {
		s.actions[a.name] = a
	}
	return s, s.apply(Change{AccessKeys: append([]AccessKey{s.main}, c.AccessKeys...), Roles: c.Roles})
}

// listen opens the three ports and serves them.
func (s *Server) listen(ctx context.Context, c Config) error {
	s.plain, s.secure, s.admin = s.server(s), s.server(s), s.server(faults.Admin(s.engine, subjectOf{s}))
	s.secure.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.leaf}, MinVersion: tls.VersionTLS12}
	for _, l := range []struct {
		server *http.Server
		addr   string
	}{{s.plain, c.Addr}, {s.secure, c.TLSAddr}, {s.admin, c.AdminAddr}} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.addr[l.server] = listener.Addr()
		s.running.Go(func() { s.serve(ctx, l.server, listener) })
	}
	return nil
}

// server speaks HTTP/1.1 only: a fault that closes a connection closes one call.
func (s *Server) server(h http.Handler) *http.Server {
	counted := func(w http.ResponseWriter, r *http.Request) {
		s.calls.RLock()
		defer s.calls.RUnlock()
		h.ServeHTTP(w, r)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Server{Handler: http.HandlerFunc(counted), ReadHeaderTimeout: time.Minute, Protocols: protocols, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
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

// URL is the HTTP endpoint, on loopback.
func (s *Server) URL() string { return "http://" + s.addr[s.plain].String() }

// TLSURL is the HTTPS endpoint, under the CA of CAPEM.
func (s *Server) TLSURL() string { return "https://" + s.addr[s.secure].String() }

// AdminURL is where faults.Client speaks to.
func (s *Server) AdminURL() string { return "http://" + s.addr[s.admin].String() }

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
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		if s.unhook != nil {
			s.unhook()
		}
		s.stop()
		s.engine.Close()
		for h := range s.addr {
			err = errors.Join(err, h.Close())
		}
	})
	s.running.Wait()
	s.calls.Lock()
	defer s.calls.Unlock()
	return err
}
