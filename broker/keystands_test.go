package broker_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// repoliced is a target at which somebody may give keys another key policy.
type repoliced struct {
	*providers.Provider
	changed *bool
}

func (r repoliced) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		for o, err := range r.Provider.Look(ctx, q) {
			o.PolicyMatch = o.PolicyMatch && !*r.changed
			if !yield(o, err) {
				return
			}
		}
	}
}

// meanwhile answers the first import at a target with an error, before it has an effect
// and with something done first; it counts what is asked for to send and sent.
func (w *world) meanwhile(target string, answer error, do func()) (wrapped, sent *int) {
	wrapped, sent = new(int), new(int)
	w.inject = func(call string, before bool) error {
		switch {
		case call == target+" wrapping-key" && before:
			*wrapped++
		case call == target+" import" && before:
			if *sent++; *sent == 1 {
				do()
				return answer
			}
		}
		return nil
	}
	return wrapped, sent
}

// An import that must be sent again looks again at the key that it goes into: one that
// was changed since the first try gets nothing.
func TestAKeyThatWasChangedBetweenTwoTriesGetsNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{"its wrapping key ended": broker.Expired, "its answer was lost": broker.Unclear} {
		t.Run("another policy/"+name, func(t *testing.T) {
			t.Parallel()
			w, changed := bareWorld(t, quick()), false
			w.others = []broker.Target{{
				Name: "theirs", Provider: repoliced{targetCalled(w, "theirs", quick()), &changed}, Environment: "test", Genuine: true,
				Pins: map[string]string{broker.PinAccount: account, "region": "there"},
			}}
			w.enrol()
			wrapped, sent := w.meanwhile("theirs", answer, func() { changed = true })
			w.refusesTheSecondTry(t, only("theirs"), "its key policy is not the one that was sent")
			if *wrapped != 1 || *sent != 1 {
				t.Errorf("%d wrapping keys were fetched, %d imports sent", *wrapped, *sent)
			}
		})
		t.Run("somebody else's/"+name, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			wrapped, sent := w.meanwhile("newest", answer, func() {
				theirs := providers.Plant{In: broker.PrepareIn{Name: "theirs", KeyID: "theirs", RemoteName: "k", Spec: broker.ECP256, Purpose: broker.Sign}, Material: pkcs8(t)}
				if _, err := w.provider("newest").Plant(theirs); err != nil {
					t.Error(err)
				}
			})
			w.refusesTheSecondTry(t, pairAtNewest(), `it is marked as the key with id "theirs"`)
			if *wrapped != 1 || *sent != 1 {
				t.Errorf("%d wrapping keys were made, %d imports sent", *wrapped, *sent)
			}
			if got := w.provider("newest").Report().Names["k"]; len(got) != 0 {
				t.Errorf("beside theirs is %+v", got)
			}
		})
	}
}

func (w *world) refusesTheSecondTry(t *testing.T, req broker.ImportRequest, says string) {
	t.Helper()
	_, err := w.run(nil).Import(t.Context(), req)
	if !errors.Is(err, broker.Undecided) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v", err)
	}
}

// A key that stands gets it at the second try.
func TestAKeyThatStandsGetsTheSecondTry(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	_, sent := w.meanwhile("newest", broker.Expired, func() {})
	w.imported(t, pairAtNewest())
	if *sent != 2 {
		t.Errorf("sent %d times", *sent)
	}
	w.oneEverywhere(t, "k", "newest")
}
