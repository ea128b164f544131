package pace

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
)

// Servers count in one of these ways; which, no provider says.

// bucketServer refuses what finds no token in a bucket of so many, filled at the quota.
func bucketServer(perSecond float64, burst int, at []time.Duration) (refused int) {
	tokens, last := float64(burst), time.Duration(0)
	for _, t := range at {
		tokens = min(float64(burst), tokens+perSecond*(t-last).Seconds())
		last = t
		if tokens < 1-1e-9 {
			refused++
			continue
		}
		tokens--
	}
	return refused
}

// windowServer refuses what comes when a window has had its number of calls. Windows
// begin at begun, and again each time that one has passed.
func windowServer(perSecond float64, burst int, begun time.Duration, at []time.Duration) (refused int) {
	length := time.Duration(float64(burst) / perSecond * float64(time.Second))
	counts := map[time.Duration]int{}
	for _, t := range at {
		w := (t - begun).Truncate(length)
		if t < begun {
			w -= length
		}
		if counts[w]++; counts[w] > burst {
			refused++
		}
	}
	return refused
}

// quotasThatAre like those of the providers: a bucket of a second or ten.
var quotasThatAre = []broker.Quota{
	{PerSecond: 1, Burst: 1},
	{PerSecond: 5, Burst: 5},
	{PerSecond: 15, Burst: 15},
	{PerSecond: 1, Burst: 10},
	{PerSecond: 2, Burst: 20},
	{PerSecond: 20, Burst: 20},
	{PerSecond: 200, Burst: 2000},
	{PerSecond: 0.25, Burst: 1},
}

// leaving is when so many calls leave that ask for it at these times, each by so much
// later than it may.
func leaving(q *quota, asks, late []time.Duration) []time.Duration {
	epoch := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	var out []time.Duration
	now := time.Duration(0)
	for i, ask := range asks {
		now = max(now, ask)
		q.rest(epoch.Add(now))
		for d := q.take(epoch.Add(now), 1); d > 0; d = q.take(epoch.Add(now), 1) {
			now += d + late[i]
		}
		out = append(out, now)
	}
	return out
}

// TestNothingIsThrottled, however calls come, however the provider counts, and although
// each leaves a little late and takes another time to arrive.
func TestNothingIsThrottled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.SampledFrom(quotasThatAre).Draw(t, "quota")
		n := rapid.IntRange(1, 120).Draw(t, "calls")
		apart := time.Duration(float64(time.Second) / q.PerSecond)
		jitter := 5 * time.Millisecond
		if q.Burst == 1 { // nothing but what is not used of the quota keeps two calls apart
			jitter = apart / 100
		}
		var asks, late []time.Duration
		now := time.Duration(0)
		for range n {
			if rapid.IntRange(0, 3).Draw(t, "pause") == 0 {
				now += rapid.Custom(func(t *rapid.T) time.Duration {
					return time.Duration(rapid.Int64Range(0, int64(15*apart)).Draw(t, "ns"))
				}).Draw(t, "for")
			}
			asks = append(asks, now)
			late = append(late, time.Duration(rapid.Int64Range(0, int64(jitter)).Draw(t, "late")))
		}
		left := leaving(newQuota(q), asks, late)
		arrived := slices.Clone(left)
		for i := range arrived {
			arrived[i] += time.Duration(rapid.Int64Range(0, int64(jitter)).Draw(t, "network"))
		}
		slices.Sort(arrived)
		if refused := bucketServer(q.PerSecond, q.Burst, arrived); refused > 0 {
			t.Fatalf("a bucket refuses %d of %d, left at %v", refused, n, left)
		}
		begun := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "begun"))
		if refused := windowServer(q.PerSecond, q.Burst, begun, arrived); refused > 0 {
			t.Fatalf("windows refuse %d of %d, left at %v", refused, n, left)
		}
	})
}

// TestTheQuotaIsUsed to at least 95 %, where there is always one that waits.
func TestTheQuotaIsUsed(t *testing.T) {
	t.Parallel()
	for _, q := range quotasThatAre {
		t.Run(fmt.Sprintf("%g and %d", q.PerSecond, q.Burst), func(t *testing.T) {
			t.Parallel()
			const n = 1000
			late := make([]time.Duration, n)
			for i := range late {
				late[i] = min(time.Duration(i%3)*time.Millisecond, time.Duration(float64(time.Second)/q.PerSecond)/100)
			}
			left := leaving(newQuota(q), make([]time.Duration, n), late)
			used := float64(n) / left[n-1].Seconds() / q.PerSecond
			if used < 0.95 || used > 1.01 && q.Burst < n/100 {
				t.Errorf("%.3f of it is used", used)
			}
		})
	}
}

// TestOneThrottledAnswer counts once, however many were on their way.
func TestOneThrottledAnswer(t *testing.T) {
	t.Parallel()
	q := newQuota(broker.Quota{PerSecond: 10, Burst: 10})
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 5 {
		q.slowDown(now, 0)
	}
	rate := func() float64 { return float64(q.bucket.Limit()) / unit }
	if got, want := rate(), slowed*q.full; math.Abs(got-want) > 1e-9 {
		t.Errorf("the rate is %g, want %g", got, want)
	}
	if got := q.resume.Sub(now); got < firstPause || got > 2*firstPause {
		t.Errorf("the pause is %s", got)
	}
	now = q.resume
	first := q.take(now, 1)
	if second := q.take(now, 1); first > 0 || second <= 0 {
		t.Errorf("after the pause one may leave, and then one in %s", second)
	}
	for range 24 {
		q.recover(now)
	}
	if got := rate(); got >= q.full {
		t.Errorf("24 good answers give all of a quarter back: %g", got)
	}
	for range 26 {
		q.recover(now)
	}
	if got := rate(); got != q.full {
		t.Errorf("50 good answers leave the rate at %g of %g", got, q.full)
	}
}

// TestItIsNeverStopped by throttled answers alone: pauses grow to a bound, and so does
// what is taken off the rate.
func TestItIsNeverStopped(t *testing.T) {
	t.Parallel()
	q := newQuota(broker.Quota{PerSecond: 1, Burst: 1})
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 100 {
		q.slowDown(now, 0)
		if pause := q.resume.Sub(now); pause > longestPause {
			t.Fatalf("a pause of %s", pause)
		}
		now = q.resume
	}
	if got := float64(q.bucket.Limit()) / unit; got < slowest*q.full*0.999 {
		t.Errorf("the rate is %g", got)
	}
	q.slowDown(now, time.Hour)
	if pause := q.resume.Sub(now); pause != longestAsked {
		t.Errorf("asked for an hour it pauses %s", pause)
	}
	q.slowDown(now, time.Second)
	if pause := q.resume.Sub(now); pause != longestAsked {
		t.Errorf("a later answer makes it %s", pause)
	}
}
