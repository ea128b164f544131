package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAgainOutlastsThrottlingAndKeepsToRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		err := again(t.Context(), func() error {
			if calls++; calls < 4 {
				return &Error{Kind: Throttled, RetryAfter: 20 * time.Second}
			}
			return nil
		})
		if err != nil || calls != 4 {
			t.Fatalf("again = %v after %d calls", err, calls)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %s; the provider asked for three times 20 s", took)
		}
	})
}

func TestAgainGivesUp(t *testing.T) {
	for _, c := range []struct {
		kind     Kind
		atLeast  time.Duration
		atMost   time.Duration
		oneCall  bool
		describe string
	}{
		{Throttled, throttledFor, throttledFor + longestPause, false, "throttled for minutes"},
		{Unavailable, unavailableFor, 2 * unavailableFor, false, "unavailable for seconds"},
		{Unclear, 0, 0, true, "unclear: looking comes first"},
		{Denied, 0, 0, true, "denied is final"},
		{Rejected, 0, 0, true, "rejected is final"},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, calls := time.Now(), 0
				err := again(t.Context(), func() error { calls++; return &Error{Kind: c.kind} })
				if KindOf(err) != c.kind {
					t.Errorf("%s: %v", c.describe, err)
				}
				if took := time.Since(start); took < c.atLeast || took > c.atMost {
					t.Errorf("%s: gave up after %s", c.describe, took)
				}
				if c.oneCall != (calls == 1) {
					t.Errorf("%s: %d calls", c.describe, calls)
				}
			})
		})
	}
}

func TestAgainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := again(ctx, func() error { return &Error{Kind: Throttled, RetryAfter: 40 * time.Second} })
		if !errors.Is(err, Throttled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("again = %v; want both reasons", err)
		}
	})
}

func TestAgainDoesNotWaitForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := again(t.Context(), func() error { return &Error{Kind: Throttled, RetryAfter: time.Hour} })
		if !errors.Is(err, Throttled) || time.Since(start) != 0 {
			t.Errorf("again = %v after %s", err, time.Since(start))
		}
	})
}

func TestEventually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := eventually(t.Context(), 10*time.Second, time.Second, func() (bool, error) {
			calls++
			return calls == 5, errors.New("not yet")
		})
		if calls != 5 || err == nil {
			t.Errorf("done after %d calls with %v; its last answer counts", calls, err)
		}
		calls = 0
		err = eventually(t.Context(), 10*time.Second, time.Second, func() (bool, error) { calls++; return false, Conflict })
		if calls != 11 || !errors.Is(err, Conflict) {
			t.Errorf("gave up after %d calls with %v", calls, err)
		}
	})
}
