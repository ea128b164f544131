package emutest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// FuzzConfigures holds that what POST /config brings is taken or refused as a whole, from
// seeds of the emulator's own and those that fit every one. idle makes one that serves nobody.
func FuzzConfigures(f *testing.F, idle func(*emu.Authority) (faults.Subject, error), seeds ...string) {
	f.Helper()
	for _, seed := range append(seeds, `{"settings":null}{}`, `{"setting":1}`, `null`, ``) {
		f.Add([]byte(seed))
	}
	ca := Must(emu.NewAuthority(time.Now()))(f)
	f.Fuzz(func(t *testing.T, change []byte) {
		Configures(t, Must(idle(ca))(t), change)
	})
}

// Configures has an emulator take a change of its settings, whatever is in it, or refuse it:
// what it refuses changes nothing, and what it then shows of itself it takes again.
func Configures(tb testing.TB, s faults.Subject, change []byte) {
	tb.Helper()
	before := shown(tb, s)
	if err := s.Configure(change); err != nil {
		if after := shown(tb, s); after != before {
			tb.Errorf("%s was refused (%v), and made of\n%s\n%s", change, err, before, after)
		}
		return
	}
	if !json.Valid(change) {
		tb.Errorf("took what is no JSON: %q", change)
	}
	after := shown(tb, s)
	if err := s.Configure([]byte(after)); err != nil || shown(tb, s) != after {
		tb.Errorf("does not take what it shows: %v\n%s\n%s", err, after, shown(tb, s))
	}
	s.Reset()
	if _, err := json.Marshal(s.Report()); err != nil {
		tb.Errorf("its report cannot be shown: %v", err)
	}
	if shown(tb, s) != after {
		tb.Error("a reset changed its settings")
	}
}

// shown is the configuration as GET /config answers it.
func shown(tb testing.TB, s faults.Subject) string {
	tb.Helper()
	text, err := json.Marshal(s.Configuration())
	if err != nil {
		tb.Fatalf("its configuration cannot be shown: %v", err)
	}
	return string(text)
}
