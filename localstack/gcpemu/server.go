package gcpemu

import (
	"context"
	"crypto/rsa"
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

	wires        []*wire
	token, admin *http.Server
	addr         map[string]net.Addr
	stop         context.CancelFunc
	unhook       func() bool // Close from the end of Start's context
	running      sync.WaitGroup
	closing      sync.Once
	calls        sync.RWMutex // read by each HTTP request being served, written by Close
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
	s.calls.Lock()
	defer s.calls.Unlock()
	return err
}
