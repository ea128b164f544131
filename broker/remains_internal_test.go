package broker

import (
	"testing"
	"time"
)

// A key is gone when none of its versions can be used; of what is left the most usable
// one is told.
func TestWhatRemainsOfAKey(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(state RemoteState, days int) Observation {
		o := Observation{State: state}
		if state == RemoteScheduled {
			o.DeletionAt = now.Add(time.Duration(days) * 24 * time.Hour)
		}
		return o
	}
	for name, c := range map[string]struct {
		found []Observation
		state RemoteState
		gone  bool
	}{
		"nothing":                      {nil, RemoteDestroyed, true},
		"all destroyed":                {[]Observation{at(RemoteDestroyed, 0), at(RemoteDestroyed, 0)}, RemoteDestroyed, true},
		"one scheduled":                {[]Observation{at(RemoteDestroyed, 0), at(RemoteScheduled, 30)}, RemoteScheduled, true},
		"an import that failed":        {[]Observation{at(RemoteFailed, 0)}, RemoteDestroyed, true},
		"a twin beside what is ending": {[]Observation{at(RemoteScheduled, 30), at(RemoteEnabled, 0)}, RemoteEnabled, false},
		"the other way round":          {[]Observation{at(RemoteDisabled, 0), at(RemoteScheduled, 30)}, RemoteDisabled, false},
		"still importing":              {[]Observation{at(RemoteImporting, 0)}, RemoteImporting, false},
	} {
		worst, gone := remains(KeyRef{ID: "k"}, c.found)
		if worst.State != c.state || gone != c.gone {
			t.Errorf("%s: %s, gone %v", name, worst.State, gone)
		}
	}
	worst, _ := remains(KeyRef{ID: "k"}, []Observation{at(RemoteScheduled, 30), at(RemoteScheduled, 60), at(RemoteScheduled, 10)})
	if !worst.DeletionAt.Equal(now.Add(60 * 24 * time.Hour)) {
		t.Errorf("the last one goes at %s", worst.DeletionAt)
	}
}
