package broker_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// doors is a world where two targets lead to one place, and one to another.
func doors(t *testing.T) *world {
	t.Helper()
	w := bareWorld(t, quick())
	for name, place := range map[string]string{"front": "Vault", "back": "vault", "elsewhere": "other"} {
		w.others = append(w.others, broker.Target{
			Name: name, Provider: targetCalled(w, name, newest()), Environment: "test", Genuine: true, Place: place,
			Pins: map[string]string{broker.PinAccount: account},
		})
	}
	w.enrol()
	return w
}

func at(name string, targets ...string) broker.ImportRequest {
	return broker.ImportRequest{Name: name, Spec: broker.ECP256, Targets: targets, Why: broker.Why{Reason: "test"}}
}

// A key that is on its way to a place has its name there, though nothing shows it yet.
func TestANameIsRefusedThatAnotherTargetOfThePlaceHas(t *testing.T) {
	t.Parallel()
	w := doors(t)
	w.inject = func(call string, _ bool) error {
		if call == "front wrapping-key" {
			return broker.Denied
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), at("db", "front")); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	_, err := w.run(nil).Import(t.Context(), at("DB", "back"))
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "key db has the name db at target front already") {
		t.Error(err)
	}
	if _, err := w.run(nil).Import(t.Context(), at("DB", "elsewhere")); err != nil {
		t.Errorf("another place: %v", err)
	}
}

func TestOnePlaceIsNotGivenAKeyTwice(t *testing.T) {
	t.Parallel()
	w := doors(t)
	before := w.events(t)
	for plan, ask := range map[string]func() error{
		"import": func() error { _, err := w.run(nil).Import(t.Context(), at("db", "front", "back")); return err },
		"plan":   func() error { _, err := w.run(nil).PlanImport(t.Context(), at("db", "front", "back")); return err },
	} {
		if err := ask(); !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "targets front and back are both vault") {
			t.Errorf("%s: %v", plan, err)
		}
	}
	if !slices.Equal(w.events(t), before) {
		t.Error("something was put on record")
	}
	if _, err := w.run(nil).Import(t.Context(), at("db", "front", "elsewhere")); err != nil {
		t.Error(err)
	}
}

// Names of consumers tell upper from lower case.
func TestAliasesDifferByCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	for _, name := range []string{"db", "DB"} {
		if _, err := w.run(nil).Import(t.Context(), at(name, "cloud")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two imports at the same moment, whose names are one there: the second is refused,
// whenever it comes.
func TestTwoNamesThatAreOneAreNotBegunAtOnce(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	other := w.another(t)
	var second error
	w.inject = func(call string, before bool) error {
		if call == "newest look" && !before {
			w.inject = nil
			_, second = other.Import(t.Context(), at("DB", "newest"))
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), at("db", "newest")); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(second, broker.Conflict) || !strings.Contains(second.Error(), "take the lease of name") {
		t.Errorf("%v", second)
	}
	if _, err := w.store.Key(t.Context(), "DB"); !errors.Is(err, broker.NotFound) {
		t.Errorf("DB is on record: %v", err)
	}
	w.oneEverywhere(t, "db", "newest")
}
