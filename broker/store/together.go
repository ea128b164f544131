package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"github.com/keyferry/keyferry/broker"
)

// mostTogether is how many changes are written in one transaction: another process waits
// for its end.
const mostTogether = 64

// errUnwritten is what became of a change whose writer panicked.
var errUnwritten = errors.New("it was not written: who was to write it failed")

// waiting is a change that waits to be written.
type waiting struct {
	ctx    context.Context //nolint:containedctx // of its own caller: another may be the one who writes it
	change broker.Change
	head   broker.Head
	err    error
	done   chan struct{} // closed when head and err are what became of it
}

func (w *waiting) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// queue are the changes that wait for the one connection that writes. Whose turn it is
// writes all that wait, in one transaction under one seal: of many imports side by side,
// what they record costs the disk and the token once.
type queue struct {
	turn    chan struct{} // holds one
	mu      sync.Mutex
	waiting []*waiting
}

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1)} }

func (q *queue) join(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
}

// leave reports whether it still waited.
func (q *queue) leave(w *waiting) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take is who has waited longest and those after it who can be written with it.
func (q *queue) take() []*waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < min(len(q.waiting), mostTogether) && alike(q.waiting[0].change, q.waiting[n].change) {
		n++
	}
	taken := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return taken
}

// alike: all that are written together trust the end that was found and are under seal, or
// none of them does.
func alike(a, b broker.Change) bool {
	return (a.Seal == nil) == (b.Seal == nil) && (a.Trust == nil) == (b.Trust == nil)
}

// queued writes a change, with others that wait or by one of them.
func (s *Store) queued(ctx context.Context, c broker.Change) (broker.Head, error) {
	w := &waiting{ctx: ctx, change: c, err: errUnwritten, done: make(chan struct{})}
	s.queue.join(w)
	select {
	case s.queue.turn <- struct{}{}:
		defer func() {
			s.queue.leave(w) // it still waits where another's panic ended this
			<-s.queue.turn
		}()
		for !w.isDone() {
			s.writeAll(s.queue.take()) //nolint:contextcheck // each of them has its own
		}
	case <-w.done:
	case <-ctx.Done():
		if s.queue.leave(w) {
			return broker.Head{}, s.explained(ctx, "write to", ctx.Err())
		}
		<-w.done
	}
	return w.head, w.err
}

// writeAll writes changes together or, where one of them is refused, each by itself, so
// that none fails for another's fault.
func (s *Store) writeAll(batch []*waiting) {
	defer func() {
		for _, w := range batch {
			close(w.done)
		}
	}()
	if len(batch) > 1 && s.together(batch) {
		return
	}
	for _, w := range batch {
		w.head, w.err = s.commit(w.ctx, []broker.Change{w.change})
	}
}

// together reports whether that is what became of them: written or, for what is no fault
// of theirs, not: the database is locked, or the commit failed.
func (s *Store) together(batch []*waiting) bool {
	changes := make([]broker.Change, 0, len(batch))
	for _, w := range batch {
		if w.ctx.Err() != nil {
			return false
		}
		changes = append(changes, w.change)
	}
	ctx := context.WithoutCancel(batch[0].ctx) // its end is not the others'
	head, err := s.commit(ctx, changes)
	if _, refused := errors.AsType[*refusedError](err); refused {
		return false
	}
	for _, w := range batch {
		w.head, w.err = head, err
	}
	return true
}

// commit writes changes in one transaction.
func (s *Store) commit(ctx context.Context, changes []broker.Change) (head broker.Head, err error) {
	soft := !slices.ContainsFunc(changes, func(c broker.Change) bool { return !c.Soft })
	err = s.inTx(ctx, soft, func(tx *sql.Tx) (err error) {
		if head, err = apply(ctx, tx, changes); err != nil {
			return &refusedError{err}
		}
		return nil
	})
	if err != nil {
		return broker.Head{}, err
	}
	return head, nil
}

// refusedError is of a change, not of the transaction it is in.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }
