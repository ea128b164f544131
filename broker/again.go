package broker

import (
	"context"
	"errors"
	"time"
)

// Bounds of patience. A throttled call is asked again for as long as a busy
// account may need; an unavailable one only for a passing fault.
const (
	throttledFor   = 2 * time.Minute
	unavailableFor = 3 * time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 10 * time.Second
)

// again calls f until it answers something other than Throttled or Unavailable,
// for a bounded time. Both kinds promise that nothing was changed, so calling
// again repeats no effect.
func again(ctx context.Context, f func() error) error {
	var waited time.Duration
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := f()
		limit := time.Duration(0)
		switch KindOf(err) {
		case Throttled:
			limit = throttledFor
		case Unavailable:
			limit = unavailableFor
		default: // everything else is an answer
		}
		if err == nil || waited >= limit {
			return err
		}
		step := pause
		if e, ok := errors.AsType[*Error](err); ok {
			step = max(step, e.RetryAfter)
		}
		if step > limit {
			return err // it says when; nobody waits that long
		}
		if ctxErr := wait(ctx, step); ctxErr != nil {
			return errors.Join(err, ctxErr)
		}
		waited += step
	}
}

// eventually calls f until done or its error is final, for at most limit: what
// was changed a moment ago may not be seen everywhere yet.
func eventually(ctx context.Context, limit, poll time.Duration, f func() (done bool, err error)) error {
	poll = max(poll, 10*time.Millisecond)
	for waited := time.Duration(0); ; waited += poll {
		done, err := f()
		if done || waited >= limit {
			return err
		}
		if ctxErr := wait(ctx, poll); ctxErr != nil {
			return errors.Join(err, ctxErr)
		}
	}
}
