package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// sole is a world in which it was said that nobody else imports at numbered.
func sole(t *testing.T) (*world, *providers.Provider) {
	t.Helper()
	w := clouds(t)
	p := w.provider("numbered")
	for i := range w.others {
		if w.others[i].Name == "numbered" {
			w.others[i].Provider = soleWriter{p}
		}
	}
	return w, p
}

// lose lets the answer to the first import at numbered be lost, with instead done first.
func (w *world) lose(before bool, instead func() error) {
	w.inject = func(call string, now bool) error {
		if call != "numbered import" || now != before {
			return nil
		}
		w.inject = nil
		return instead()
	}
}

// Where nothing can be compared, a new version is ours only if it came under a wrapping
// key that we fetched: another one is for a person, whoever promised to be alone.
func TestASoleWriterTakesOnlyWhatCameUnderItsWrappingKey(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := sole(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w.lose(true, func() error {
				theirs := providers.Plant{In: broker.PrepareIn{Name: "theirs", RemoteName: "k", Spec: broker.AES256, Purpose: broker.Encrypt}, Material: make([]byte, 32), Batch: "theirs"}
				if _, err := p.Plant(theirs); err != nil {
					t.Error(err)
				}
				if restart {
					stop()
				}
				return broker.Unclear
			})
			_, err := w.run(nil).Import(ctx, only("numbered"))
			if !restart && !errors.Is(err, broker.Undecided) {
				t.Fatalf("%v", err)
			}
			for range 2 { // asked again, it is no more decided
				_, err = w.run(nil).Import(t.Context(), only("numbered"))
				if !errors.Is(err, broker.Undecided) || !strings.Contains(err.Error(), "version 1 is new there") {
					t.Fatalf("%v", err)
				}
			}
			w.leftToThem(t, p)
		})
	}
}

// leftToThem: the version is theirs alone, no placement names it, and no consumer gets
// it by our doing.
func (w *world) leftToThem(t *testing.T, p *providers.Provider) {
	t.Helper()
	held := p.Report().Names["k"]
	if len(held) != 1 {
		t.Errorf("it holds %+v", held)
	}
	view, err := w.store.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	at := view.Placements[0]
	if at.Step != broker.PlacementIntended || at.Version.ID != "" {
		t.Errorf("on record: %+v", at)
	}
	for o, err := range p.Look(t.Context(), broker.Query{Consumer: at.Version.Key.ID}) {
		t.Errorf("consumers get %+v, %v", o.Version, err)
	}
}

// What came under our wrapping key is ours.
func TestASoleWriterTakesWhatCameUnderItsWrappingKey(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := sole(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w.lose(false, func() error {
				if restart {
					stop()
				}
				return broker.Unclear
			})
			_, err := w.run(nil).Import(ctx, only("numbered"))
			if restart {
				if err == nil {
					t.Fatal("it was not stopped")
				}
				_, err = w.run(nil).Import(t.Context(), only("numbered"))
			}
			if held := p.Report().Names["k"]; err != nil || len(held) != 1 || held[0].State != broker.RemoteEnabled {
				t.Errorf("it holds %+v, %v", held, err)
			}
		})
	}
}
