package pkcs11

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// How long a session limit of the token is waited out, and how often it is asked
// again when the sessions are held by others than this pool.
const (
	sessionPatience = 2 * time.Minute
	sessionPoll     = 50 * time.Millisecond
)

// pool hands each goroutine a session of its own, at most limit at a time. The
// login is held by an anchor: closing a token's last session logs out.
type pool struct {
	login   func(context.Context) (*session, slotInfo, error) // opens and logs in an anchor
	module  *module
	officer bool // the security officer is logged in, whose sessions some tokens describe as nobody's
	permits chan struct{}
	freed   chan struct{} // capacity 1: a session was closed

	connecting chan struct{} // capacity 1: a lock that ctx can leave
	mu         sync.Mutex    // guards what follows
	anchor     *session
	slot       slotInfo
	epoch      int // counts logins; sessions of an older one are of no use
	idle       []*session
	closed     bool

	anchored chan struct{} // capacity 1: who works in the anchor
}

func newPool(m *module, limit int, login func(context.Context) (*session, slotInfo, error)) *pool {
	return &pool{
		module: m, login: login, permits: make(chan struct{}, limit), freed: make(chan struct{}, 1),
		connecting: make(chan struct{}, 1), anchored: make(chan struct{}, 1),
	}
}

// with runs f in a session that nobody else uses. After an error of f the session
// is closed: an operation may still be active in it.
func (p *pool) with(ctx context.Context, f func(*session) error) (err error) {
	if err := enter(ctx, p.permits); err != nil {
		return err
	}
	defer leave(p.permits)
	s, err := p.take(ctx)
	if err != nil {
		return err
	}
	if err := f(s); err != nil {
		p.close(s)
		return err
	}
	p.giveBack(s)
	return nil
}

// withAnchor runs f in the anchor session, one at a time: session objects made
// there live as long as the login.
func (p *pool) withAnchor(ctx context.Context, f func(*session) error) error {
	if err := enter(ctx, p.anchored); err != nil {
		return err
	}
	defer leave(p.anchored)
	return p.with(ctx, func(*session) error { // with has found the login alive
		p.mu.Lock()
		anchor := p.anchor
		p.mu.Unlock()
		return f(anchor)
	})
}

// take returns a session that is logged in. A session, or a login, that did not
// survive (the token was removed and is back) is replaced once.
func (p *pool) take(ctx context.Context) (*session, error) {
	for try := 0; ; try++ {
		epoch, err := p.connect(ctx)
		if err != nil {
			return nil, err
		}
		s, err := p.open(ctx, epoch)
		if err == nil {
			info, stateErr := s.state(ctx)
			if stateErr == nil && p.usable(info) {
				return s, nil
			}
			p.close(s)
			err = errors.Join(stateErr, errLoggedOut)
		}
		if ctx.Err() != nil || try > 0 || errors.Is(err, broker.Throttled) {
			return nil, err
		}
		p.lose(epoch)
	}
}

var errLoggedOut = errors.New("the session is not logged in")

func (p *pool) usable(info p11.SessionInfo) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.officer || p.slot.token.Flags&p11.CKF_LOGIN_REQUIRED == 0 ||
		info.State == p11.CKS_RW_USER_FUNCTIONS || info.State == p11.CKS_RO_USER_FUNCTIONS
}

// connect makes sure that there is an anchor, and returns its epoch.
func (p *pool) connect(ctx context.Context) (int, error) {
	if err := enter(ctx, p.connecting); err != nil {
		return 0, err
	}
	defer leave(p.connecting)
	p.mu.Lock()
	epoch, ready, closed := p.epoch, p.anchor != nil, p.closed
	p.mu.Unlock()
	if closed {
		return 0, refuse(broker.Unavailable, "use", "the token", "it was closed")
	}
	if ready {
		return epoch, nil
	}
	anchor, slot, err := p.login(ctx)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch++
	anchor.epoch = p.epoch
	p.anchor, p.slot = anchor, slot
	return p.epoch, nil
}

// open takes an idle session or opens one. The token's session limit is waited
// out; only after sessionPatience is it an error.
func (p *pool) open(ctx context.Context, epoch int) (*session, error) {
	if s := p.takeIdle(epoch); s != nil {
		return s, nil
	}
	patience, cancel := context.WithTimeout(ctx, sessionPatience)
	defer cancel()
	for {
		s, err := openSession(ctx, p.module, p.slotID())
		if err == nil {
			s.epoch = epoch
			return s, nil
		}
		if !is(err, p11.CKR_SESSION_COUNT) {
			return nil, err
		}
		if waitErr := p.waitFreed(patience); waitErr != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, failed("open a session of", "the token", err)
		}
		if s := p.takeIdle(epoch); s != nil {
			return s, nil
		}
	}
}

func (p *pool) waitFreed(ctx context.Context) error {
	timer := time.NewTimer(sessionPoll)
	defer timer.Stop()
	select {
	case <-p.freed:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// openSession opens a read-write session, or where the token is write-protected a
// read-only one.
func openSession(ctx context.Context, m *module, slot uint) (*session, error) {
	open := func(flags uint) (*session, error) {
		h, err := call(ctx, "C_OpenSession", func() (p11.SessionHandle, error) { return m.ctx.OpenSession(slot, flags) })
		return &session{ctx: m.ctx, handle: h}, err
	}
	s, err := open(p11.CKF_SERIAL_SESSION | p11.CKF_RW_SESSION)
	if is(err, p11.CKR_TOKEN_WRITE_PROTECTED) {
		return open(p11.CKF_SERIAL_SESSION)
	}
	return s, err
}

func (p *pool) slotID() uint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slot.id
}

func (p *pool) takeIdle(epoch int) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 || epoch != p.epoch {
		return nil
	}
	s := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return s
}

func (p *pool) giveBack(s *session) {
	p.mu.Lock()
	current := s.epoch == p.epoch && p.anchor != nil && !p.closed
	if current {
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	if !current {
		p.close(s)
		return
	}
	p.signal()
}

// close ends a session. That it cannot be closed matters to nobody: it is gone
// with its token, or ends with the module.
func (p *pool) close(s *session) {
	_ = s.ctx.CloseSession(s.handle)
	p.signal()
}

func (p *pool) signal() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// lose gives up a login that turned out to be of no use.
func (p *pool) lose(epoch int) {
	p.mu.Lock()
	if p.epoch != epoch || p.anchor == nil {
		p.mu.Unlock()
		return
	}
	old := append(p.idle, p.anchor)
	p.idle, p.anchor = nil, nil
	p.mu.Unlock()
	for _, s := range old {
		p.close(s)
	}
}

// shut waits for every session in use, or for the end of ctx, and logs out. Who
// comes later is told that it is closed.
func (p *pool) shut(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	var waitErr error
	for range cap(p.permits) {
		if waitErr = enter(ctx, p.permits); waitErr != nil {
			break
		}
		defer leave(p.permits)
	}
	p.mu.Lock()
	anchor, idle := p.anchor, p.idle
	p.anchor, p.idle = nil, nil
	p.mu.Unlock()
	for _, s := range idle {
		p.close(s)
	}
	if anchor == nil {
		return waitErr
	}
	err := named("C_Logout", false, anchor.ctx.Logout(anchor.handle))
	p.close(anchor)
	if is(err, p11.CKR_USER_NOT_LOGGED_IN) {
		err = nil
	}
	return errors.Join(waitErr, err)
}

// enter and leave are a lock, or a count of permits, that the end of ctx leaves.
func enter(ctx context.Context, permits chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case permits <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(permits chan struct{}) { <-permits }
