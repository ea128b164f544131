package broker

import (
	"testing"
	"time"
)

func TestTimeThatSeveralTookIsCountedOnce(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(from, to int) stretch {
		return stretch{start.Add(time.Duration(from) * time.Second), start.Add(time.Duration(to) * time.Second)}
	}
	for name, c := range map[string]struct {
		of   []stretch
		each float64
	}{
		"one after the other": {[]stretch{at(0, 2), at(10, 14)}, 3},
		"in any order":        {[]stretch{at(10, 14), at(0, 2)}, 3},
		"at the same time":    {[]stretch{at(0, 4), at(0, 4), at(0, 4), at(0, 4)}, 1},
		"overlapping":         {[]stretch{at(0, 4), at(2, 6)}, 3},
		"one inside another":  {[]stretch{at(0, 10), at(2, 3)}, 5},
		"none":                {nil, 0},
	} {
		f := TokenForecast{Keys: 10}
		f.from(c.of)
		if f.Each != c.each || f.Seconds != 10*c.each || f.Imports != len(c.of) {
			t.Errorf("%s: %+v, want %g s each", name, f, c.each)
		}
	}
}
