package faults

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrTimeout is that nothing was there to wait for in time.
var ErrTimeout = errors.New("nothing came in time")

// ClockChange is a body of POST /clock: one of the two.
type ClockChange struct {
	Offset  *Seconds `json:"offset,omitempty"`  // ahead of real time
	Advance Seconds  `json:"advance,omitempty"` // by so much from now
}

// ClockState is its answer.
type ClockState struct {
	Now    time.Time `json:"now"`
	Offset Seconds   `json:"offset"`
}

// Clock is an emulator's time: real time and an offset that tests move.
type Clock struct {
	base func() time.Time // real time

	mu      sync.Mutex
	offset  time.Duration
	changed chan struct{} // closed and made anew at each change
}

// NewClock runs with real time, which now tells.
func NewClock(now func() time.Time) *Clock {
	return &Clock{base: now, changed: make(chan struct{})}
}

// Now is the emulator's time, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base().Add(c.offset).UTC()
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.move(func(offset time.Duration) time.Duration { return offset + d })
}

// SetOffset puts the clock d ahead of real time.
func (c *Clock) SetOffset(d time.Duration) {
	c.move(func(time.Duration) time.Duration { return d })
}

// apply makes a change that was asked for; a clock stays within a century of real time.
func (c *Clock) apply(change ClockChange) (err error) {
	c.move(func(offset time.Duration) time.Duration {
		next := offset
		if change.Offset != nil {
			next = change.Offset.Duration()
		}
		next += change.Advance.Duration()
		if err = Seconds(next.Seconds()).check(); err != nil {
			return offset
		}
		return next
	})
	return err
}

func (c *Clock) move(f func(time.Duration) time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = f(c.offset)
	close(c.changed)
	c.changed = make(chan struct{})
}

// State is the clock as the admin API shows it.
func (c *Clock) State() ClockState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ClockState{Now: c.base().Add(c.offset).UTC(), Offset: Seconds(c.offset.Seconds())}
}

// Until waits for the clock to reach at, or for stop to be closed. It is the
// context's error when that ends first.
func (c *Clock) Until(ctx context.Context, at time.Time, stop <-chan struct{}) error {
	for {
		c.mu.Lock()
		left, changed := at.Sub(c.base().Add(c.offset)), c.changed
		c.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-stop:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}
