package emu_test

import (
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// Each period a bucket gets its rate back, and never holds more than a period's.
func TestBucketsHoldOnePeriod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		period time.Duration
		rate   float64
		pauses []time.Duration // between the requests
		taken  int
	}{
		{time.Second, 5, make([]time.Duration, 20), 5},
		{time.Second, 5, []time.Duration{0, 0, 0, 0, 0, 0, 200 * time.Millisecond, 0}, 6},
		{time.Second, 1, []time.Duration{0, time.Hour, 0, 0, time.Second}, 3},
		{time.Second, 0.25, []time.Duration{0, 3 * time.Second, time.Second, 0}, 2},
		{time.Second, 1, []time.Duration{0, -time.Hour, 0}, 1},
		{time.Minute, 2, make([]time.Duration, 4), 2},
		{time.Minute, 2, []time.Duration{0, 0, 0, 30 * time.Second, 0}, 3},
		{time.Minute, 2, []time.Duration{0, 0, time.Hour, 0, 0}, 4},
		{time.Minute, 0.1, []time.Duration{0, 0, 10 * time.Minute, -time.Hour}, 2},
	} {
		var b emu.Bucket
		at, taken := time.Unix(1e9, 0), 0
		for _, p := range tt.pauses {
			at = at.Add(p)
			if b.Take(tt.rate, tt.period, at) {
				taken++
			}
		}
		if taken != tt.taken {
			t.Errorf("%g in %s, %v: %d taken, want %d", tt.rate, tt.period, tt.pauses, taken, tt.taken)
		}
	}
}
