package azureemu

import (
	"regexp"
	"strconv"
	"time"
)

// duration is one of ISO 8601 as rotation policies have it.
type duration struct{ years, months, date, hours int }

var durationForm = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})D)?(?:T(\d{1,5})H)?$`)

func parseDuration(text string) (duration, bool) {
	part := durationForm.FindStringSubmatch(text)
	if part == nil {
		return duration{}, false
	}
	var n [4]int
	for i, p := range part[1:] {
		n[i], _ = strconv.Atoi(p) // digits, or nothing
	}
	d := duration{n[0], n[1], n[2], n[3]}
	return d, d != duration{}
}

// days is its length, with months of 30 days.
func (d duration) days() int { return 365*d.years + 30*d.months + d.date + d.hours/24 }

// after is the time that much later.
func (d duration) after(at time.Time) time.Time {
	return at.AddDate(d.years, d.months, d.date).Add(time.Duration(d.hours) * time.Hour)
}
