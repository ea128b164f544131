package broker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// planned is what an import would do, under a name that is free.
func (w *world) planned(t *testing.T, req broker.ImportRequest) broker.Intended {
	t.Helper()
	req.Name += "-next"
	plan, err := w.run(nil).PlanImport(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// slowToken takes so long to make material.
func (w *world) slowToken(d time.Duration) {
	w.inject = func(call string, before bool) error {
		if call == "token Generate" && !before {
			w.now = w.now.Add(d)
		}
		return nil
	}
}

// The token's time is what it took for such keys before: by kind, and never a guess.
func TestForecastCountsWhatTheTokenTookBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	ec, aes := broker.ImportRequest{Name: "ec", Spec: broker.ECP256, Targets: []string{"cloud"}}, keptImport("aes", broker.AES256)
	forecast := func(plans ...broker.Intended) broker.Forecast {
		t.Helper()
		f, err := w.run(nil).Forecast(t.Context(), plans)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := forecast(w.planned(t, ec))
	if len(f.Token) != 1 || f.Token[0].Imports != 0 || f.Token[0].Each != 0 || !strings.Contains(f.Leaves, "the token's own time") {
		t.Errorf("before there is anything on record: %+v", f)
	}
	first := w.now
	for i, took := range []time.Duration{2 * time.Second, 4 * time.Second} {
		w.slowToken(took)
		req := ec
		req.Name += string(rune('a' + i))
		w.imported(t, req)
	}
	w.inject = nil
	next := w.planned(t, ec)
	f = forecast(next, next, next)
	if got := f.Token[0]; got.Spec != broker.ECP256 || got.Keys != 3 || got.Imports != 2 || got.Each != 3 || got.Seconds != 9 || f.Seconds != 9 ||
		!got.FirstAt.Equal(first.Add(2*time.Second)) || !got.LastAt.Equal(w.now) {
		t.Errorf("three keys of 3 s each: %+v", f)
	}
	if strings.Contains(f.Leaves, "no such import") || !strings.Contains(f.Leaves, "wrap") {
		t.Errorf("it leaves %q", f.Leaves)
	}
	kept := w.planned(t, aes)
	f = forecast(next, kept)
	if len(f.Token) != 2 || f.Token[1].Spec != broker.AES256 || !f.Token[1].Wrapped || f.Token[1].Imports != 0 || f.Seconds != 3 || !strings.Contains(f.Leaves, "aes-256 kept wrapped, for no such import is on record") {
		t.Errorf("with one that nothing is known of: %+v", f)
	}
	w.slowToken(time.Second)
	w.imported(t, aes)
	w.inject = nil
	if f = forecast(next, kept); f.Seconds != 4 || f.Token[1].Each != 1 || strings.Contains(f.Leaves, "no such import") {
		t.Errorf("with both known: %+v", f)
	}
}

// A run that was stopped between the two records says nothing of the token, and material
// that is there already asks nothing of it.
func TestForecastTakesNoFigureFromAStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	req := broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: []string{"cloud"}}
	w.inject = func(call string, before bool) error {
		if call == "token Generate" && before {
			return broker.Unavailable
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Unavailable) {
		t.Fatalf("%v", err)
	}
	w.inject = nil
	w.now = w.now.Add(24 * time.Hour)
	w.imported(t, req)
	f, err := w.run(nil).Forecast(t.Context(), []broker.Intended{w.planned(t, req)})
	if err != nil || f.Token[0].Imports != 0 || f.Seconds > 1 {
		t.Errorf("a day in between: %+v, %v", f, err)
	}
	material := broker.MaterialID("theirs")
	if err := w.token.Plant(tokens.Planted{ID: material, Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}}); err != nil {
		t.Fatal(err)
	}
	req.Object, req.Spec = material, broker.AES256
	f, err = w.run(nil).Forecast(t.Context(), []broker.Intended{w.planned(t, req)})
	if err != nil || len(f.Token) != 0 {
		t.Errorf("adopted: %+v, %v", f.Token, err)
	}
}
