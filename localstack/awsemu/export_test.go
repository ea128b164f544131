package awsemu

import "time"

// What fuzz targets and vectors reach past the wire.

// Taken counts the requests that a bucket lets through, after these pauses.
func Taken(rate float64, at time.Time, pauses []time.Duration) (n int) {
	var b bucket
	for _, p := range pauses {
		at = at.Add(p)
		if b.take(rate, at) {
			n++
		}
	}
	return n
}

// Rates are the standard request quotas by action.
func Rates() map[string]float64 {
	rates := map[string]float64{}
	for _, a := range actions() {
		rates[a.name] = a.rate
	}
	return rates
}
