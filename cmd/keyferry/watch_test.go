package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// ticking is a program whose clock a test moves.
func ticking(stderr *bytes.Buffer) (p *program, pass func(time.Duration)) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	p = &program{stderr: stderr, now: func() time.Time { return now }, getenv: func(string) string { return "" }}
	return p, func(d time.Duration) { now = now.Add(d) }
}

// Where nothing can be drawn, a line is told every few seconds: how far, how fast, and
// how long at that rate. A key that is begun is half done.
func TestWatchTellsRateAndRest(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	p, pass := ticking(&stderr)
	w := p.watch(10)
	for _, key := range []string{"a", "b", "c", "d"} {
		pass(time.Second)
		w.one(&importedRow{Key: key, State: rowBegun})
	}
	if stderr.Len() > 0 {
		t.Errorf("told too early: %s", stderr.String())
	}
	pass(time.Second)
	w.one(&importedRow{Key: "a", State: rowDone})
	if want := "keyferry: 1 of 10 keys, 3 begun, 0.5 a second, about 15s left\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
	stderr.Reset()
	pass(time.Second)
	w.one(&importedRow{Line: 7, Key: "b", State: rowFailed, Reason: "the target refused it"})
	if want := "keyferry: line 7: key b: the target refused it\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
	pass(4 * time.Second)
	w.one(&importedRow{Key: "e", State: rowBefore})
	if got := stderr.String(); !strings.Contains(got, "3 of 10 keys, 2 begun, 1 failed, 0.4 a second, about 15s left\n") {
		t.Errorf("%q", got)
	}
	w.over()
}

// A list of nothing, and a clock that stands still, divide by nothing.
func TestWatchOfNothing(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	p, _ := ticking(&stderr)
	w := p.watch(0)
	w.over()
	w = p.watch(1)
	w.one(&importedRow{Key: "a", State: rowDone})
	if got := w.text(); got != "1 of 1 keys" || stderr.Len() > 0 {
		t.Errorf("%q, told %q", got, stderr.String())
	}
}
