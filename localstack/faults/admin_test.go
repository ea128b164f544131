package faults_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

func TestBadRulesAreRefusedByName(t *testing.T) {
	t.Parallel()
	b := start(t)
	for want, r := range map[string]faults.Rule{
		"kind":            {Kind: "explode"},
		"code":            {Kind: faults.Fail},
		"when":            {Kind: faults.Hold, When: "during"},
		"after the":       {Kind: faults.Deny, When: faults.After},
		"clock":           {Kind: faults.Late, Clock: "sun"},
		"not negative":    {Kind: faults.Late, After: -1},
		"is not an error": {Kind: faults.Fail, Code: "x", Status: 200},
	} {
		if _, err := b.admin.Add(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want it to name %q", r, err, want)
		}
	}
	b.add(faults.Rule{ID: "mine", Kind: faults.Drop})
	if _, err := b.admin.Add(t.Context(), faults.Rule{ID: "mine", Kind: faults.Drop}); err == nil {
		t.Error("an id was taken twice")
	}
}

func TestUnknownIsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	for name, err := range map[string]error{
		"release": b.admin.Release(t.Context(), "fault-9"),
		"remove":  b.admin.Remove(t.Context(), "fault-9"),
		"setting": b.admin.Configure(t.Context(), map[string]int{"Sun": 1}),
	} {
		if err == nil {
			t.Errorf("%s of the unknown was accepted", name)
		}
	}
	for _, path := range []string{"/calls?colour=red", "/calls?since=x", "/calls/wait?timeout=soon", "/calls/wait?timeout=NaN", "/calls/wait?timeout=1e300"} {
		resp, err := http.Get(b.admin.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWaitEndsWithoutACall(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.admin.Wait(ctx, faults.CallQuery{State: faults.Held}); !errors.Is(err, context.Canceled) {
		t.Errorf("waited: %v", err)
	}
	resp, err := http.Get(b.admin.URL + "/calls/wait?state=held&timeout=0.001")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %s", resp.Status)
	}
}

func TestCallsAreFoundByWhatTheyAre(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, key := range []string{"a", "b", "a"} {
		b.send(t.Context(), "Action", "Add", "Key", key, "Team", "red "+key)
	}
	for want, q := range map[int]faults.CallQuery{
		3: {Match: faults.Match{Action: "Add", Service: "counter"}},
		2: {Match: faults.Match{Key: "a"}, Committed: true},
		1: {Match: faults.Match{Tags: map[string]string{"team": "red a"}}, Since: 1},
		0: {Match: faults.Match{Region: "nowhere"}},
	} {
		calls, err := b.admin.Calls(t.Context(), q)
		if err != nil || len(calls) != want {
			t.Errorf("%+v: %d calls, %v, want %d", q, len(calls), err, want)
		}
	}
}

func TestClockMovesAndResets(t *testing.T) {
	t.Parallel()
	b := start(t)
	year := 365 * 24 * time.Hour
	now, err := b.admin.Advance(t.Context(), year)
	if err != nil || time.Until(now) < year-time.Minute {
		t.Errorf("now %v, %v", now, err)
	}
	if now, err = b.admin.Advance(t.Context(), -2*year); err != nil || time.Since(now) < year-time.Minute {
		t.Errorf("now %v, %v", now, err)
	}
	if err := b.admin.Reset(t.Context()); err != nil || time.Since(b.clock.Now()).Abs() > time.Minute {
		t.Errorf("after reset %v, %v", b.clock.Now(), err)
	}
}

// A length of time that is longer than a duration can be would turn into another one.
func TestTimesOfMoreThanACenturyAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	century := 100 * 365 * 24 * time.Hour
	if _, err := b.admin.Add(t.Context(), faults.Rule{Kind: faults.Late, After: 1e300}); err == nil {
		t.Error("a rule that acts after 1e300 seconds was taken")
	}
	now, err := b.admin.SetOffset(t.Context(), century)
	if err != nil || time.Until(now) < century-time.Minute {
		t.Errorf("now %v, %v", now, err)
	}
	if _, err := b.admin.Advance(t.Context(), time.Hour); err == nil || time.Until(b.clock.Now()) > century {
		t.Errorf("a century and an hour: %v, %v", err, b.clock.Now())
	}
}

func TestWhatComesAfterTheValueIsRefused(t *testing.T) {
	t.Parallel()
	e := newEmulator()
	for path, body := range map[string]string{"/faults": `{"kind":"drop"}`, "/clock": `{"advance":60}`} {
		if status, text := e.ask(t, http.MethodPost, path, body+"{}"); status != http.StatusBadRequest || !strings.Contains(string(text), "after") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestReportAndConfigurationCrossTheWire(t *testing.T) {
	t.Parallel()
	b := start(t)
	if err := b.admin.Configure(t.Context(), map[string]int{"Sum": 2}); err != nil {
		t.Fatal(err)
	}
	r, err := b.admin.Report(t.Context())
	if err != nil || len(r.Keys) != 2 || r.Names["n"].Keys != 2 {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestReportCountsOrphansAndTwins(t *testing.T) {
	t.Parallel()
	r := faults.NewReport(time.Unix(0, 0))
	version := func(sum string) faults.VersionReport { return faults.VersionReport{SHA256: sum, Imports: 1} }
	r.Add(faults.KeyReport{Ref: "b", Name: "x", Versions: []faults.VersionReport{version("s1")}}, []string{"i1"})
	r.Add(faults.KeyReport{Ref: "a", Name: "x", Versions: []faults.VersionReport{version("s1"), version("s3")}}, []string{"i1", "i3"})
	r.Add(faults.KeyReport{Ref: "c", Name: "y", Versions: []faults.VersionReport{version("s1bis")}}, []string{"i1"})
	r.Add(faults.KeyReport{Ref: "e", Name: "y", Orphan: true}, nil)
	r.Add(faults.KeyReport{Ref: "d", Name: "y", Pending: true}, nil)
	r.Finish()
	if len(r.Twins) != 1 || strings.Join(r.Twins[0].Keys, "") != "bac" {
		t.Errorf("twins %+v", r.Twins)
	}
	if x := r.Names["x"]; x != (faults.NameReport{Keys: 2, Versions: 3, Twins: 1}) {
		t.Errorf("x is %+v", x)
	}
	if y := r.Names["y"]; y != (faults.NameReport{Keys: 3, Versions: 1, Orphans: 1, Pending: 1, Twins: 1}) {
		t.Errorf("y is %+v", y)
	}
	if m := r.Materials["s1"]; m.Versions != 2 || m.Imports != 2 || len(r.Orphans) != 1 || r.Keys[0].Ref != "a" {
		t.Errorf("materials %+v, orphans %v", r.Materials, r.Orphans)
	}
}
