package pace_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/pace"
)

// quotas of a cloud that there is not.
func quotas() []broker.Quota {
	return []broker.Quota{
		{Name: "Fetch", Calls: []string{"Fetch"}, PerSecond: 1, Burst: 1},
		{Name: "Make", Calls: []string{"Make", "Copy"}, PerSecond: 5, Burst: 5, Weights: map[string]int{"Copy": 2}},
		{Name: "Copy", Calls: []string{"Copy"}, PerSecond: 100, Burst: 100},
	}
}

// crowd has so many calls wait at once, and says when each left.
func crowd(t *testing.T, n int, wait func(context.Context, string) error, call string) []time.Duration {
	t.Helper()
	start := time.Now()
	left := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := wait(t.Context(), call); err != nil {
				t.Error(err)
			}
			left[i] = time.Since(start)
		})
	}
	all.Wait()
	slices.Sort(left)
	return left
}

func TestACrowdLeavesAtTheQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(time.Now).Pacer(quotas())
		left := crowd(t, 101, p.Wait, "Fetch")
		if left[0] != 0 {
			t.Errorf("the first had to wait %s", left[0])
		}
		for i := 1; i < len(left); i++ {
			if apart := left[i] - left[i-1]; apart < time.Second {
				t.Fatalf("%d and %d are %s apart", i-1, i, apart)
			}
		}
		if took := left[100].Seconds(); took > 100/0.95 {
			t.Errorf("101 took %g s at one a second", took)
		}
	})
}

// TestTargetsOfOnePlaceShareIts quotas, and those of other places have their own.
func TestTargetsOfOnePlaceShareItsQuotas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		place := pace.New(time.Now)
		one, two, elsewhere := place.Pacer(quotas()), place.Pacer(quotas()), pace.New(time.Now).Pacer(quotas())
		var turn atomic.Int64
		left := crowd(t, 10, func(ctx context.Context, call string) error {
			if turn.Add(1)%2 == 0 {
				return one.Wait(ctx, call)
			}
			return two.Wait(ctx, call)
		}, "Fetch")
		if last := left[9]; last < 9*time.Second {
			t.Errorf("10 of two targets took %s", last)
		}
		if left := crowd(t, 1, elsewhere.Wait, "Fetch"); left[0] != 0 {
			t.Errorf("another place waited %s", left[0])
		}
	})
}

// TestAWeightyCall takes of both its quotas, and of the slower one twice.
func TestAWeightyCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := crowd(t, 101, pace.New(time.Now).Pacer(quotas()).Wait, "Copy")
		if took := left[100].Seconds(); took < 2*96/5.0 || took > 2*101/5.0/0.95 {
			t.Errorf("101 took %g s at 2.5 a second", took)
		}
	})
}

func TestWhatHasNoQuotaGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var none *pace.Place
		for name, p := range map[string]*pace.Pacer{"no quota": pace.New(time.Now).Pacer(quotas()), "no place": none.Pacer(quotas())} {
			if left := crowd(t, 100, p.Wait, "Identify"); left[99] != 0 {
				t.Errorf("%s: it took %s", name, left[99])
			}
			p.Throttled("Identify", time.Hour)
			p.Answered("Identify")
			if left := crowd(t, 1, p.Wait, "Identify"); left[0] != 0 {
				t.Errorf("%s, throttled: it took %s", name, left[0])
			}
		}
	})
}

// TestAThrottledAnswerSlowsItsGroup alone; nobody in it fails, and no crowd leaves when
// the pause is over.
func TestAThrottledAnswerSlowsItsGroupAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(time.Now).Pacer(quotas())
		p.Throttled("Make", 30*time.Second)
		if left := crowd(t, 1, p.Wait, "Fetch"); left[0] != 0 {
			t.Errorf("another group waited %s", left[0])
		}
		left := crowd(t, 20, p.Wait, "Make")
		if left[0] != 30*time.Second {
			t.Errorf("the first left after %s", left[0])
		}
		for i := 1; i < len(left); i++ {
			if apart := left[i] - left[i-1]; apart < time.Second/5 {
				t.Fatalf("%d and %d are %s apart", i-1, i, apart)
			}
		}
	})
}

// TestAPauseHoldsThoseThatWait already.
func TestAPauseHoldsThoseThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(time.Now).Pacer(quotas())
		go func() {
			time.Sleep(1500 * time.Millisecond)
			p.Throttled("Fetch", 20*time.Second)
		}()
		left := crowd(t, 5, p.Wait, "Fetch")
		if left[1] > 1100*time.Millisecond || left[2] < 21500*time.Millisecond {
			t.Errorf("left at %v", left)
		}
	})
}

// TestTwoThatShareAQuotaUnknown to each other find to about half of it each: what one
// process cannot know of another, throttling tells.
func TestTwoThatShareAQuotaUnknownToEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const minutes = 30
		server := &bucket{at: time.Now(), tokens: 5}
		var all sync.WaitGroup
		var mu sync.Mutex
		served, throttled := [2]int{}, 0
		ctx, stop := context.WithTimeout(t.Context(), minutes*time.Minute)
		defer stop()
		for i := range served {
			p := pace.New(time.Now).Pacer(quotas())
			all.Go(func() {
				for p.Wait(ctx, "Make") == nil {
					ok := server.take(5, 5)
					mu.Lock()
					if ok {
						served[i]++
						p.Answered("Make")
					} else {
						throttled++
						p.Throttled("Make", 0)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		total, quota := served[0]+served[1], 5*60*minutes
		if total < quota*3/4 || throttled > total/10 || served[0] < quota/4 || served[1] < quota/4 {
			t.Errorf("served %v of %d, %d throttled", served, quota, throttled)
		}
		t.Logf("served %v of %d, %d throttled", served, quota, throttled)
	})
}

// bucket is how a server counts.
type bucket struct {
	mu     sync.Mutex
	at     time.Time
	tokens float64
}

func (b *bucket) take(perSecond, size float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens, b.at = min(size, b.tokens+perSecond*now.Sub(b.at).Seconds()), now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// TestWhoseContextEnds is told that nothing was sent, and loses nobody's turn.
func TestWhoseContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(time.Now).Pacer(quotas())
		p.Throttled("Fetch", time.Minute)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		for range 3 {
			go func() {
				if err := p.Wait(ctx, "Fetch"); broker.KindOf(err) != broker.Throttled || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
			}()
		}
		synctest.Wait()
		time.Sleep(9 * time.Second)
		if left := crowd(t, 3, p.Wait, "Fetch"); left[0]+9*time.Second != time.Minute || left[1] > 62*time.Second {
			t.Errorf("left at %v", left)
		}
	})
}

// TestWhatWaitsLeavesRoom for the call: one that leaves when its time is nearly over is
// cut, and then nobody knows what it did.
func TestWhatWaitsLeavesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for given, want := range map[time.Duration]time.Duration{10 * time.Minute: 7 * time.Minute, 4 * time.Minute: 2 * time.Minute} {
			p, start := pace.New(time.Now).Pacer(quotas()), time.Now()
			for range 600 {
				go func() { _ = p.Wait(t.Context(), "Fetch") }()
			}
			synctest.Wait()
			ctx, stop := context.WithTimeout(t.Context(), given)
			err := p.Wait(ctx, "Fetch")
			stop()
			if took := time.Since(start); took != want || broker.KindOf(err) != broker.Throttled {
				t.Errorf("with %s it waited %s: %v", given, took, err)
			}
			time.Sleep(20 * time.Minute)
		}
	})
}
