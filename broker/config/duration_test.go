package config_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 2160 * time.Hour, "2w": 336 * time.Hour, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute,
		"1w1d1h1m1s": 8*24*time.Hour + time.Hour + time.Minute + time.Second, "2s": 2 * time.Second,
	} {
		if got, err := config.ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("%s is %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "90", "d", "1.5d", "-1d", "1d 2h", "1h1d", "1y", "999999999w999999999w", "106751991d", "１d"} {
		if got, err := config.ParseDuration(text); !errors.Is(err, broker.Misuse) {
			t.Errorf("%q is %s, %v, want a misuse", text, got, err)
		}
	}
}

func TestDurationIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := config.Duration(time.Duration(rapid.Int64Range(1, 1<<33).Draw(t, "seconds")) * time.Second)
		back, err := config.ParseDuration(d.String())
		if err != nil || back != d {
			t.Fatalf("%d is written %s, read %d, %v", d, d, back, err)
		}
	})
}

// A duration that is taken is one, and is the same when it is written and read again.
func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"90d", "1h30m", "2w", "0s", "", "1y", "999999999w", "15250w", "1h1h", "-1d", "1.5h", "٣d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := config.ParseDuration(d.String()); d <= 0 || err != nil || again != d {
			t.Errorf("%q is %d, written %s, and then %d: %v", text, d, d, again, err)
		}
	})
}
