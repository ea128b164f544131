package gcpemu

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net"
	"sync"
	"time"

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
	federation *rsa.PrivateKey // of the pool's provider; nil until it gave a token out

	host emu.Host
	addr map[string]net.Addr
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
	s.host = emu.Host{Log: s.log, Pool: s.pool, Release: s.engine.Close}
	for _, a := range actions() {
		s.actions[a.rpc] = a
	}
	s.empty()
	return s, s.apply(Change{Principals: append([]Principal{{Email: s.Email()}, {Email: s.Federated()}}, c.Principals...)})
}

// empty makes what exists from the start, and nothing else.
func (s *Server) empty() {
	s.store = newStore()
	for _, name := range s.rings {
		s.store.make(name, s.clock.Now())
	}
}

// Close stops listening, ends what is held or late, and waits for every call and
// background work to end. Closing again waits too.
func (s *Server) Close() error { return s.host.Close() }
