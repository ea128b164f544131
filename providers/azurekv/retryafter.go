package azurekv

import (
	"net/http"
	"strconv"
	"time"
)

// longestWait is the most that an answer can make anybody wait.
const longestWait = time.Hour

// retryAfter is when a throttled call may be made again, in any of Azure's ways to
// say it ("Throttling guidance"; azcore's retry policy); 0 where it does not.
func retryAfter(h http.Header, now time.Time) time.Duration {
	for _, f := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"X-Ms-Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		if n, err := strconv.ParseInt(h.Get(f.name), 10, 32); err == nil && n > 0 {
			return min(time.Duration(n)*f.unit, longestWait)
		}
	}
	at, err := http.ParseTime(h.Get("Retry-After"))
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), longestWait))
}
