// Package shim puts a PKCS#11 module of ours in front of a real one, for tests: it forwards every call, and changes those that it is
// told to. It shows what no software token can: any CKR at the nth call, a call held before or after the token did it, delays, a limit
// of sessions, a locked PIN, a write-protected, full or removed token, a one-step CKM_RSA_AES_KEY_WRAP done right and done wrong.
//
// [Shim.Module] is loaded instead of the real module, in this process, in a child, or in both: the module asks this process about each
// call, over a socket beside it, so that all rules, counts and logs are here, and no environment variable or file needs to change.
// Where the real module looks for its tokens is its own affair (see package softtoken), and so is that one process initialises it once.
//
// The module itself is C (c/), compiled by [Start] with cc into .cache/shim.
package shim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Shim is a controller and the directory of the module that asks it.
type Shim struct {
	dir      string
	listener net.Listener
	ctx      context.Context //nolint:containedctx // the life of the shim itself, ended by Close
	end      context.CancelFunc
	tasks    sync.WaitGroup

	mu        sync.Mutex
	condition Condition
	points    []*Point
	calls     []*Call
	sessions  map[int]int  // open sessions by process
	away      map[int]bool // processes whose sessions are to be closed, since the token was removed
}

// Start compiles the module if need be and puts it in front of the real one, whose path is absolute. Close ends it.
func Start(ctx context.Context, realModule string) (*Shim, error) {
	built, err := build(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "shim") // not below a test's directory: the path of a socket has 104 bytes at most
	if err != nil {
		return nil, fmt.Errorf("start a shim: %w", err)
	}
	s := &Shim{dir: dir, sessions: map[int]int{}, away: map[int]bool{}}
	s.ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.listen(ctx, built, realModule); err != nil {
		return nil, errors.Join(fmt.Errorf("start a shim: %w", err), os.RemoveAll(dir))
	}
	s.tasks.Go(s.accept)
	return s, nil
}

// listen fills the directory. The module is a copy, not a link: a loader takes one file for one module however often it is loaded.
func (s *Shim) listen(ctx context.Context, built, realModule string) error {
	code, err := os.ReadFile(built) //nolint:gosec // our own build
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Module(), code, 0o700); err != nil { //nolint:gosec // a module is executable
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "real"), []byte(realModule), 0o600); err != nil {
		return err
	}
	s.listener, err = new(net.ListenConfig).Listen(ctx, "unix", filepath.Join(s.dir, "socket"))
	return err
}

// Module is the absolute path of the module to load.
func (s *Shim) Module() string { return filepath.Join(s.dir, "shim.so") }

// Close lets go what is held, waits until every call that the module asked about is over, and removes the module.
// Calls after that fail with CKR_GENERAL_ERROR. Closing again does nothing.
func (s *Shim) Close() error {
	s.end()
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	s.tasks.Wait()
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Set makes the token be in condition c from the next call on. Condition{} is a healthy token.
func (s *Shim) Set(c Condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.condition.Removed && !c.Removed {
		for pid := range s.sessions {
			s.away[pid] = true
		}
	}
	s.condition = c
}

// On adds a rule. Of several that fit a call the one added first is in force.
func (s *Shim) On(r Rule) *Point {
	p := &Point{rule: r, reached: make(chan struct{}), released: make(chan struct{}), shim: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points = append(s.points, p)
	return p
}

// Calls returns what was called so far, oldest first: all of it, or only the functions that are named.
func (s *Shim) Calls(functions ...string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Call
	for _, c := range s.calls {
		if c.isOneOf(functions) {
			found = append(found, *c)
		}
	}
	return found
}
