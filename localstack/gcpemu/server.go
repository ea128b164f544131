package gcpemu

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

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Server is a running emulator.
type Server struct {
	clock     *faults.Clock
	real      func() time.Time // of tokens, which Google's libraries date by the machine's clock
	engine    *faults.Engine
	pool      *emu.Pool
	log       *slog.Logger
	actions   map[string]action
	ca        *emu.Authority
	root      *attester
	project   string
	rings     []string // that exist after a reset
	locations []Location

	mu         sync.Mutex // of what follows
	store      *store
	settings   Settings
	principals map[string]*principal // by email
	tokens     map[string]grant

	wires        []*wire
	token, admin *http.Server
	addr         map[string]net.Addr
	stop         context.CancelFunc
	unhook       func() bool // Close from the end of Start's context
	running      sync.WaitGroup
	closing      sync.Once
}

// wire is a gRPC server and the connections it holds.
type wire struct {
	*grpc.Server

	lines *lines
}

// Start listens and returns when requests are answered. The server runs until Close,
// or until ctx ends.
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
	root, err := newAttester(c.Now())
	if err != nil {
		return nil, err
	}
	clock := faults.NewClock(c.Now)
	s := &Server{
		clock: clock, real: c.Now, engine: faults.NewEngine(clock, c.Now), pool: pool, log: c.Log, ca: c.CA, root: root,
		project: c.Project, rings: c.KeyRings, locations: c.Locations, actions: map[string]action{}, settings: c.Settings,
		principals: map[string]*principal{}, tokens: map[string]grant{}, addr: map[string]net.Addr{},
	}
	for _, a := range actions() {
		s.actions[a.rpc] = a
	}
	s.empty()
	return s, s.apply(Change{Principals: append([]Principal{{Email: s.Email()}}, c.Principals...)})
}

// empty makes what exists from the start, and nothing else.
func (s *Server) empty() {
	s.store = newStore()
	for _, name := range s.rings {
		s.store.make(name, s.clock.Now())
	}
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
	s.token, s.admin = newHTTP(s.tokenService()), newHTTP(faults.Admin(s.engine, subjectOf{s}))
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

func newHTTP(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
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
		for _, w := range s.wires {
			w.Stop()
		}
		for _, h := range []*http.Server{s.token, s.admin} {
			if h != nil {
				err = errors.Join(err, h.Close())
			}
		}
	})
	s.running.Wait()
	return err
}
