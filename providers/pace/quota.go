package pace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/keyferry/keyferry/broker"
)

const (
	// used is the part of a quota that is used. What is left keeps two calls apart that a
	// network brings together: by 31 ms where one a second is allowed.
	used = 0.97
	// caughtUp is by how much a call may have left too late, and the next ones be sooner
	// for it, so that the machine's own delays cost nothing of the quota.
	caughtUp = 20 * time.Millisecond
	// unit is what one call takes of a bucket, so that a bucket can hold a part of one.
	unit = 1000
)

// quota is one bucket. Calls wait in turn, and only the first of them for its time, so
// that a pause holds all of them up and lets no crowd go when it ends.
type quota struct {
	perSecond float64 // the provider's
	burst     int
	full      float64 // calls a second when nothing throttles
	turn      chan struct{}

	mu      sync.Mutex
	bucket  *rate.Limiter // of units; holds one call, and what is caught up
	ahead   int           // calls that may leave before their time: see rest
	last    time.Time     // when the last one left
	resume  time.Time     // nothing leaves before that
	strikes int           // throttled answers since the last good one
}

func newQuota(q broker.Quota) *quota {
	out := &quota{perSecond: q.PerSecond, burst: max(1, q.Burst), full: used * q.PerSecond, turn: make(chan struct{}, 1)}
	late := caughtUp
	if out.burst == 1 { // two that are any closer than the quota are too many
		late = min(late, time.Duration((1-used)/out.full*float64(time.Second)))
	}
	holds := unit + int(late.Seconds()*out.full*unit)
	out.bucket = rate.NewLimiter(rate.Limit(out.full*unit), holds)
	return out
}

// wait for the turn, and then for the time.
func (q *quota) wait(ctx context.Context, now func() time.Time, weight int) error {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-q.turn }()
	q.rest(now())
	for {
		d := q.take(now(), weight)
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// take lets a call leave now, or says for how long it has to wait yet.
func (q *quota) take(now time.Time, weight int) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if pause := q.resume.Sub(now); pause > 0 {
		return pause
	}
	short := unit - q.bucket.TokensAt(now) // what weighs more leaves a debt
	if q.ahead < weight && short > 0 {
		q.ahead = 0
		return max(time.Microsecond, time.Duration(short/float64(q.bucket.Limit())*float64(time.Second)))
	}
	for range weight {
		q.bucket.ReserveN(now, unit)
	}
	q.ahead, q.last = max(0, q.ahead-weight), now
	return 0
}

// rest lets a burst leave before its time, where nothing left for as long as a burst
// takes at the quota: what a person waits for is a few calls. It is a loan. What
// follows waits until the quota has caught up, so that no time of that length sees more
// calls than the quota has for it.
func (q *quota) rest(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	takes := time.Duration(float64(q.burst) * unit / float64(q.bucket.Limit()) * float64(time.Second))
	if q.last.IsZero() || now.Sub(q.last) >= takes {
		q.ahead = q.burst
	}
}

// Bounds of slowing down and recovering.
const (
	slowed       = 0.75 // of the rate is left after a throttled answer
	slowest      = 0.05 // of the full rate is always left
	recovered    = 0.01 // of the full rate comes back with each good answer
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second // where the provider does not say
	longestAsked = 2 * time.Minute  // where it does; then one call finds out whether it meant it
)

// slowDown holds everything for as long as the provider says, or for about the distance
// of two calls and twice as much each time again; and leaves three quarters of the
// rate. Answers to what left before the pause began, and come in it, count once.
func (q *quota) slowDown(now time.Time, after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !now.Before(q.resume) {
		lower := max(slowest*q.full, slowed*float64(q.bucket.Limit())/unit)
		q.bucket.SetLimitAt(now, rate.Limit(lower*unit))
		apart := max(firstPause, time.Duration(float64(time.Second)/lower))
		pause := min(longestPause, apart<<min(q.strikes, 10))
		q.resume = now.Add(pause)
		q.strikes++
		q.ahead, q.last = 0, now // no burst after it
	}
	if asked := now.Add(min(after, longestAsked)); asked.After(q.resume) {
		q.resume = asked
	}
}

// recover gives a hundredth of the full rate back.
func (q *quota) recover(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.strikes = 0
	if limit := float64(q.bucket.Limit()) / unit; limit < q.full {
		q.bucket.SetLimitAt(now, rate.Limit(min(q.full, limit+recovered*q.full)*unit))
	}
}
