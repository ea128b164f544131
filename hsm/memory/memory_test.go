package memory_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/hsmtest"
	"github.com/keyferry/keyferry/hsm/memory"
)

func TestPromises(t *testing.T) {
	t.Parallel()
	token := memory.New(memory.Options{})
	hsmtest.Run(t, hsmtest.Setup{
		Token: token,
		Lose:  func(_ *testing.T, id broker.MaterialID, class string) { token.Lose(id, class) },
		Twin:  func(_ *testing.T, id broker.MaterialID) { token.Twin(id) },
		Plant: func(t *testing.T, p hsmtest.Planted) {
			t.Helper()
			err := token.Plant(memory.Planted{ID: broker.ObjectID(p.ID), Spec: p.Spec, Usage: p.Usage, Open: p.Open, Fixed: p.Fixed})
			if err != nil {
				t.Fatal(err)
			}
		},
	})
}
