package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, of := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {1, 2, 3, 4}, 7: {7}} {
		if got := median(of); got != want {
			t.Errorf("median of %v is %v, want %v", of, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b     bound
		f     float64
		holds bool
		says  string
	}{
		{bound{most: 1.1}, 1.1, true, "≤ 1.1"},
		{bound{most: 1.1}, 1.2, false, "≤ 1.1"},
		{bound{least: 5}, 5, true, "≥ 5"},
		{bound{least: 5}, 4.9, false, "≥ 5"},
		{bound{}, 9, true, "reported"},
	} {
		if c.b.holds(c.f) != c.holds || c.b.String() != c.says {
			t.Errorf("%v at %v: %v, %s", c.b, c.f, c.b.holds(c.f), c.b)
		}
	}
}

func TestPageSaysWhatDoesNotHold(t *testing.T) {
	t.Parallel()
	page := pageOf(options{rounds: 3, scale: 1}, []result{
		{row: row{what: "a ratio", must: bound{most: 2}}, figure: 3, parts: "6 ÷ 2"},
		{row: row{what: "another", must: bound{least: 2}}, of: "a token", figure: 3, must: &bound{least: 4}},
		{row: row{what: "a third"}, figure: 3},
	})
	for _, line := range []string{
		"| a ratio | ≤ 2 | 3 | **no** | 6 ÷ 2 |", "| another: a token | ≥ 4 | 3 | **no** |  |", "| a third | reported | 3 |  |  |", "| Go | go1.",
	} {
		if !strings.Contains(page, line) {
			t.Errorf("%q is not in\n%s", line, page)
		}
	}
}

// Every row can still be measured: with two keys, and no word about how fast.
func TestRowsCanBeMeasured(t *testing.T) {
	t.Parallel()
	programs, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(programs.remove)
	if mib, err := programs.resident(t.Context(), t.TempDir(), nil, "/bin/true"); err != nil || mib <= 0 || mib > 64 {
		t.Errorf("%v MiB of nothing, %v", mib, err)
	}
	for _, name := range []string{"cost", "bulk"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range rows() {
				if r.name != name {
					continue
				}
				got, err := r.run(t.Context(), &bench{options: options{scale: 0.001, rounds: 1}, programs: programs})
				if err != nil || len(got) == 0 || got[0].figure <= 0 {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	}
}

// What fails is shown with the end of what it said.
func TestSpendTellsWhatFailed(t *testing.T) {
	t.Parallel()
	_, err := spend(context.Background(), t.TempDir(), nil, "/bin/sh", "-c", "echo said >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "said") || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	s, err := spend(context.Background(), t.TempDir(), nil, "/bin/echo", "out")
	if err != nil || !bytes.Equal(s.stdout, []byte("out\n")) || s.wall <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
