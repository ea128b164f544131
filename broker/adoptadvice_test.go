package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// Who asks for an object that cannot be brought is told what to ask for.
func TestObjectThatCannotBeAdoptedIsAnsweredWithAdvice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	if err := w.token.Plant(tokens.Planted{ID: "theirs", Spec: broker.AES256}); err != nil {
		t.Fatal(err)
	}
	w.imported(t, lines()[0])
	view, err := w.store.Key(t.Context(), lines()[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   broker.MaterialID
		spec broker.KeySpec
		kind broker.Kind
		hint string
	}{
		{"nope", broker.AES256, broker.NotFound, "keyferry token show --objects"},
		{"theirs", broker.HMAC256, broker.Conflict, "--spec aes-256"},
		{view.Versions[0].Material.ID, broker.AES256, broker.Conflict, "version 1 of key " + view.Key.Name + ": keyferry key show " + view.Key.Name},
		{broker.NewMaterialID("k0", 1), broker.AES256, broker.Conflict, "keyferry inventory --orphans"},
	} {
		_, err := w.run(nil).PlanImport(t.Context(), broker.ImportRequest{Name: "old", Spec: c.spec, Targets: lines()[0].Targets, Object: c.id})
		e, ok := errors.AsType[*broker.Error](err)
		if !errors.Is(err, c.kind) || !ok || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s: %v, hint %+v", c.id, err, e)
		}
		if op := "adopt material " + string(c.id); err != nil && strings.Count(err.Error(), op) != 1 {
			t.Errorf("%q says %q more than once, or not", err, op)
		}
		if _, err := w.store.Key(t.Context(), "old"); !errors.Is(err, broker.NotFound) {
			t.Errorf("%s: something was begun: %v", c.id, err)
		}
	}
}
