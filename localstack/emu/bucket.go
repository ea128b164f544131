package emu

import "time"

// Bucket is a token bucket that holds the requests of one period; the zero value is full.
type Bucket struct {
	tokens float64
	at     time.Time
}

// Take removes one token, after refilling at so many a period; false if there is none.
func (b *Bucket) Take(rate float64, period time.Duration, now time.Time) bool {
	size := max(rate, 1)
	if b.at.IsZero() {
		b.tokens = size
	} else if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(size, b.tokens+rate*float64(passed)/float64(period))
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
