package faults_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// FuzzAdmin: whatever the admin API is asked, it answers in JSON and never with a failure
// of its own; what it refuses changes nothing, and what it takes it shows as it was said.
func FuzzAdmin(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/faults", `{"kind":"drop","match":{"tags":{"team":"red"}},"nth":2,"count":-1}`},
		{"POST", "/faults", `{"kind":"late","after":1e300,"clock":"emulator","await":true}`},
		{"POST", "/faults", `{"kind":"fail","code":"x","status":599}{"kind":"drop"}`},
		{"POST", "/faults", `{"id":"a/b","kind":"slow","after":3}`},
		{"POST", "/faults", `null`},
		{"POST", "/faults", `{"kind":"throttle","retry_after":-1}`},
		{"DELETE", "/faults", ""},
		{"DELETE", "/faults/x", ""},
		{"POST", "/faults/x/release", ""},
		{"GET", "/report?x=1", ""},
		{"GET", "/calls?action=a&tag.x=y&committed=1&since=-9", ""},
		{"GET", "/calls?since=1e9", ""},
		{"GET", "/calls/wait?timeout=0.001&state=held", ""},
		{"GET", "/calls/wait?timeout=NaN", ""},
		{"GET", "/calls/wait?timeout=-1", ""},
		{"POST", "/clock", `{"advance":-1e300}`},
		{"POST", "/clock", `{"offset":1e10}`},
		{"POST", "/clock", `{"offset":60} {}`},
		{"POST", "/config", `{"Sum":1}`},
		{"POST", "/config", `{"Sum":1e99}`},
		{"POST", "/reset", ""},
		{"GET", "/materials", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		e := newEmulator()
		defer e.engine.Close()
		before := e.shows(t)
		status, text := e.ask(t, method, target, body)
		switch {
		case status == 0: // no request at all
		case status >= http.StatusInternalServerError || status == http.StatusOK && !json.Valid(text):
			t.Errorf("%s %s: %d %q", method, target, status, text)
		case status >= http.StatusBadRequest && !reflect.DeepEqual(before, e.shows(t)):
			t.Errorf("%s %s: %d, and it changed something", method, target, status)
		case status == http.StatusCreated:
			e.holdsTo(t, text)
		}
		if !json.Valid([]byte(body)) && method == http.MethodPost && status == http.StatusCreated {
			t.Errorf("took what is no JSON: %q", body)
		}
	})
}

// emulator is one of a number, asked without a network.
type emulator struct {
	*counter
	admin http.Handler
}

func newEmulator() emulator {
	at := time.Date(2031, 5, 17, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	clock := faults.NewClock(now)
	c := &counter{clock: clock, engine: faults.NewEngine(clock, now)}
	return emulator{c, faults.Admin(c.engine, c)}
}

// ask is a request of somebody who has gone already, so that nothing is waited for. The
// status of what is no request is 0.
func (e emulator) ask(t *testing.T, method, target, body string) (status int, text []byte) {
	t.Helper()
	ctx, gone := context.WithCancel(t.Context())
	gone()
	r, err := http.NewRequestWithContext(ctx, method, "http://admin"+target, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	w := httptest.NewRecorder()
	e.admin.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// shows is everything that can be read of it.
func (e emulator) shows(t *testing.T) (all []string) {
	t.Helper()
	for _, path := range []string{"/faults", "/calls", "/clock", "/config", "/report", "/health"} {
		_, text := e.ask(t, http.MethodGet, path, "")
		all = append(all, string(text))
	}
	return all
}

// holdsTo: the rule that was taken is the one that is in force, another emulator takes it
// as it is shown, and a call that it hits ends in one of the ways that there are.
func (e emulator) holdsTo(t *testing.T, added []byte) {
	t.Helper()
	var rule faults.RuleState
	if err := json.Unmarshal(added, &rule); err != nil {
		t.Fatalf("answers %q: %v", added, err)
	}
	if rules := e.engine.Rules(); len(rules) != 1 || !reflect.DeepEqual(rules[0], rule) {
		t.Errorf("took %+v, and shows %+v", rules, rule)
	}
	if d := rule.After.Duration(); d < 0 || (d-time.Duration(float64(rule.After)*1e9)).Abs() > time.Microsecond || float64(rule.After) > d.Seconds()+1 {
		t.Errorf("after %g is %s", rule.After, d)
	}
	if _, err := newEmulator().engine.Add(rule.Rule); err != nil {
		t.Errorf("what it shows is not taken: %v", err)
	}
	e.hit(t)
}

// hit makes a call of somebody who has gone.
func (e emulator) hit(t *testing.T) {
	t.Helper()
	ctx, gone := context.WithCancel(t.Context())
	gone()
	defer func() {
		if why := recover(); why != nil && why != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			panic(why)
		}
	}()
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody))
}
