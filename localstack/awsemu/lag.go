package awsemu

import "time"

// lag is how long a change is not seen: by so many reads, and until a time.
type lag struct {
	reads int
	until time.Time
}

// lagging is a value whose change is seen late, as under AWS's eventual
// consistency. What it truly is, the emulator acts on.
type lagging[T any] struct {
	is, was T
	lag     lag
}

// set changes the value; readers see the one before for as long as l says.
func (v *lagging[T]) set(is T, l lag) { v.was, v.is, v.lag = v.is, is, l }

// see is what a read at now is shown, and counts as one.
func (v *lagging[T]) see(now time.Time) T {
	if v.lag.reads > 0 {
		v.lag.reads--
		return v.was
	}
	if now.Before(v.lag.until) {
		return v.was
	}
	return v.is
}
