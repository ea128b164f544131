package broker_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

func adopting(name string) broker.ImportRequest {
	return broker.ImportRequest{Name: name, Spec: broker.AES256, Object: "bank", Targets: []string{"cloud"}, Why: broker.Why{Reason: "test"}}
}

// owners are the keys that have the material on record.
func (w *world) owners(t *testing.T, id broker.MaterialID) []string {
	t.Helper()
	var names []string
	for view, err := range w.store.Keys(t.Context(), broker.KeyFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range view.Versions {
			if v.Material.ID == id {
				names = append(names, view.Key.Name)
			}
		}
	}
	return names
}

// Two imports of one object at the same moment: whichever comes second, at any call of
// the first to the token, one key has the material.
func TestOneObjectNeverBecomesTwoKeys(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"token Adopt", "token Info"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			if err := w.token.Plant(tokens.Planted{ID: "bank", Spec: broker.AES256}); err != nil {
				t.Fatal(err)
			}
			other := w.another(t)
			var second error
			begun := false
			w.inject = func(c string, before bool) error {
				begun = begun || c == "token Adopt"
				if begun && c == call && before {
					w.inject = nil
					_, second = other.Import(t.Context(), adopting("second"))
				}
				return nil
			}
			_, first := w.run(nil).Import(t.Context(), adopting("first"))
			if w.inject != nil {
				t.Fatal("the second import was never made")
			}
			if got := w.owners(t, "bank"); len(got) != 1 {
				t.Errorf("keys %q have it: %v, %v", got, first, second)
			}
			for _, err := range []error{first, second} {
				if err != nil && !errors.Is(err, broker.Conflict) {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnObjectThatIsTakenIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	if err := w.token.Plant(tokens.Planted{ID: "bank", Spec: broker.AES256}); err != nil {
		t.Fatal(err)
	}
	w.imported(t, adopting("first"))
	_, err := w.run(nil).Import(t.Context(), adopting("second"))
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "key first has it already") {
		t.Error(err)
	}
}

// What cannot be had spends no name.
func TestAnObjectThatIsNotThereSpendsNoName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	if err := w.token.Plant(tokens.Planted{ID: "bank", Spec: broker.AES256}); err != nil {
		t.Fatal(err)
	}
	before := w.events(t)
	for _, spoil := range []func(*broker.ImportRequest){
		func(r *broker.ImportRequest) { r.Object = "nobody" },
		func(r *broker.ImportRequest) { r.Spec = broker.HMAC256 },
	} {
		req := adopting("k")
		spoil(&req)
		if _, err := w.run(nil).Import(t.Context(), req); err == nil || !strings.Contains(err.Error(), string(req.Object)) {
			t.Errorf("%v", err)
		}
	}
	if !slices.Equal(w.events(t), before) {
		t.Error("something was put on record")
	}
}
