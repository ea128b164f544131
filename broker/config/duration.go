package config

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Duration is a length of time like 90d, 12h30m or 2w: whole numbers of weeks,
// days (24 hours), hours, minutes and seconds. Months and years have no fixed
// length and are refused.
type Duration time.Duration

const durationWords = "a duration like 90d, 36h or 1h30m (w, d, h, m, s)"

var durationForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$`)
})

func units() []struct {
	name   string
	length time.Duration
} {
	return []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
}

// ParseDuration reads a Duration; its error is Misuse. "" and 0 are refused.
func ParseDuration(s string) (Duration, error) {
	refuse := fmt.Errorf("%q is not %s: %w", s, durationWords, broker.Misuse)
	parts := durationForm().FindStringSubmatch(s)
	if parts == nil {
		return 0, refuse
	}
	var sum time.Duration
	for i, u := range units() {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil || n > int64((math.MaxInt64-sum)/u.length) {
			return 0, refuse
		}
		sum += time.Duration(n) * u.length
	}
	if sum == 0 {
		return 0, refuse
	}
	return Duration(sum), nil
}

// String is the form that ParseDuration reads, without weeks: 14d, 1h30m.
func (d Duration) String() string {
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range units()[1:] {
		if n := rest / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest %= u.length
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// MarshalJSON writes the form that the config has.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }
