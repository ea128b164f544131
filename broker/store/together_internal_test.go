package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// crowd is a store at which the first change holds its turn until it is let go.
type crowd struct {
	t       *testing.T
	store   *Store
	release func()
	results []chan answer
}

type answer struct {
	head broker.Head
	err  error
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	s := fresh(t)
	gate, holds := make(chan struct{}), make(chan struct{})
	first := sealed("first")
	first.Trust = func(broker.Ended) error { close(holds); <-gate; return nil }
	c := &crowd{t: t, store: s, release: func() { close(gate) }}
	c.ask(t.Context(), first)
	<-holds
	return c
}

// sealed is a change that inserts a key, and is its own seal.
func sealed(name string) broker.Change {
	return broker.Change{
		Entry:  broker.Entry{At: time.Unix(1_800_000_000, 0), Event: "import.begun", Key: name},
		NewKey: &broker.Key{ID: "id-" + name, Name: name, CreatedAt: time.Unix(1_800_000_000, 0)},
		Seal:   func(h broker.Head) ([]byte, error) { return h.Record(), nil },
	}
}

// ask lets a change wait behind those before it.
func (c *crowd) ask(ctx context.Context, change broker.Change) {
	c.t.Helper()
	result, n := make(chan answer, 1), len(c.results)
	c.results = append(c.results, result)
	go func() {
		head, err := c.store.Apply(ctx, change)
		result <- answer{head, err}
	}()
	if n == 0 {
		return // it has its turn
	}
	for c.waiting() < n {
		time.Sleep(time.Millisecond)
	}
}

func (c *crowd) waiting() int {
	c.store.queue.mu.Lock()
	defer c.store.queue.mu.Unlock()
	return len(c.store.queue.waiting)
}

// ended is what became of all of them, in the order in which they came.
func (c *crowd) ended() (all []answer) {
	c.release()
	for _, r := range c.results {
		all = append(all, <-r)
	}
	return all
}

// audit counts entries and heads, and holds the chain and the last head together.
func (c *crowd) audit() (entries, heads int64) {
	c.t.Helper()
	var last broker.Head
	for e, err := range c.store.Entries(c.t.Context(), 0) {
		want, chainErr := e.Chained(last)
		if err != nil || chainErr != nil || want.Seq != e.Seq || want.Hash != e.Hash {
			c.t.Fatalf("entry %d does not follow %d: %v, %v", e.Seq, last.Seq, err, chainErr)
		}
		last, entries = e.Head(), entries+1
	}
	var head broker.Head
	for h, err := range c.store.Heads(c.t.Context(), 0) {
		if err != nil {
			c.t.Fatal(err)
		}
		head, heads = h, heads+1
	}
	if head.Seq != last.Seq || head.Hash != last.Hash {
		c.t.Errorf("the last head is of entry %d, the audit ends with %d", head.Seq, last.Seq)
	}
	return entries, heads
}

func TestWhatWaitsIsWrittenTogetherUnderOneSeal(t *testing.T) {
	t.Parallel()
	const n = 10
	c := newCrowd(t)
	for i := range n {
		c.ask(t.Context(), sealed(fmt.Sprint("key", i)))
	}
	for i, a := range c.ended() {
		want := int64(n + 1)
		if i == 0 {
			want = 1
		}
		if a.err != nil || a.head.Seq != want || string(a.head.Seal) != string(a.head.Record()) {
			t.Errorf("change %d: head %d, want %d; %v", i, a.head.Seq, want, a.err)
		}
	}
	if entries, heads := c.audit(); entries != n+1 || heads != 2 {
		t.Errorf("%d entries under %d heads, want %d under 2", entries, heads, n+1)
	}
}

// Nobody fails for another's fault, and nothing of what fails is left.
func TestOfThoseWrittenTogetherOnlyTheFaultyFail(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	defer leave()
	unsealed := sealed("unsealed")
	unsealed.Seal = func(broker.Head) ([]byte, error) { return nil, errors.New("the token is away") }
	for name, tt := range map[string]struct {
		change broker.Change
		ctx    context.Context //nolint:containedctx // a case of the table
		kind   broker.Kind
	}{
		"there already":      {sealed("first"), t.Context(), broker.Conflict},
		"its seal fails":     {unsealed, t.Context(), broker.Unavailable},
		"its context ended":  {sealed("late"), gone, broker.Unavailable},
		"its lease is gone":  {broker.Change{Entry: broker.Entry{Event: "e"}, Lease: &broker.Lease{Name: "n", Holder: "h"}, Seal: sealed("").Seal}, t.Context(), broker.Conflict},
		"it is not complete": {broker.Change{Entry: broker.Entry{Event: "e"}, Result: &broker.EffectRecord{}, Seal: sealed("").Seal}, t.Context(), broker.Misuse},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t)
			c.ask(t.Context(), sealed("before"))
			c.ask(t.Context(), sealed("with it"))
			c.ask(tt.ctx, tt.change)
			if tt.ctx == gone {
				leave()
				c.results[3] <- <-c.results[3] // it leaves before its turn
			}
			all := c.ended()
			for i, a := range all {
				if (a.err != nil) != (i == 3) {
					t.Errorf("change %d: %v", i, a.err)
				}
			}
			if broker.KindOf(all[3].err) != tt.kind {
				t.Errorf("%v is %s, want %s", all[3].err, broker.KindOf(all[3].err), tt.kind)
			}
			if entries, _ := c.audit(); entries != 3 {
				t.Errorf("%d entries, want 3", entries)
			}
		})
	}
}

// A database that another process holds is waited for once, not once for each.
func TestThoseWrittenTogetherWaitForALockOnce(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	other, err := connect(Options{Path: c.store.path, Wait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // it wrote nothing
	short, err := connect(Options{Path: c.store.path, Wait: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close() //nolint:errcheck // nor did this one
	c.release()
	<-c.results[0]
	lock, err := other.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // it locks, and writes nothing
	batch := make([]*waiting, 0, 20)
	for i := range cap(batch) {
		batch = append(batch, &waiting{ctx: t.Context(), change: sealed(fmt.Sprint("key", i)), err: errUnwritten, done: make(chan struct{})})
	}
	short.writeAll(batch)
	for _, w := range batch {
		if <-w.done; broker.KindOf(w.err) != broker.Unavailable || w.err != batch[0].err { //nolint:errorlint // the very same
			t.Errorf("a locked database: %v", w.err)
		}
	}
}

// What is under no seal, as in a store without a token, is not sealed with others.
func TestOnlyWhatIsUnderSealIsWrittenTogether(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	for i := range 6 {
		change := sealed(fmt.Sprint("key", i))
		if i%2 == 0 {
			change.Seal = nil
		}
		c.ask(t.Context(), change)
	}
	for i, a := range c.ended() {
		if a.err != nil || (len(a.head.Seal) == 0) != (i%2 == 1) {
			t.Errorf("change %d: %d bytes of seal, %v", i, len(a.head.Seal), a.err)
		}
	}
	if _, heads := c.audit(); heads != 4 {
		t.Errorf("%d heads, want 4", heads)
	}
}

// A panic is its own caller's; to those whose changes were written with it, it is an error.
func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.release()
	if a := <-c.results[0]; a.err != nil {
		t.Error(a.err)
	}
	bad := sealed("bad")
	bad.Trust = func(broker.Ended) error { panic("a fault of ours") }
	batch := make([]*waiting, 0, 2)
	for _, change := range []broker.Change{bad, sealed("with it")} {
		batch = append(batch, &waiting{ctx: t.Context(), change: change, err: errUnwritten, done: make(chan struct{})})
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		c.store.writeAll(batch)
	}()
	for _, w := range batch {
		if <-w.done; !errors.Is(w.err, errUnwritten) {
			t.Errorf("a change that was not written: %v", w.err)
		}
	}
	if _, err := c.store.Apply(t.Context(), sealed("next")); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}
