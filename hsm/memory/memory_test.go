package memory_test

import (
	"crypto/rsa"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/hsmtest"
	"github.com/keyferry/keyferry/hsm/memory"
)

func TestPromises(t *testing.T) {
	t.Parallel()
	slow := []broker.KeySpec{broker.RSA2048, broker.RSA3072, broker.RSA4096} // once is enough
	for name, o := range map[string]memory.Options{"two steps": {}, "one step": {OneStep: true, Unsupported: slow}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := memory.New(o)
			promises(t, token, hsmtest.Mark(t, token))
		})
	}
	t.Run("no trust", func(t *testing.T) {
		t.Parallel()
		promises(t, memory.New(memory.Options{NoTrust: true, Unsupported: slow}), nil)
	})
}

func promises(t *testing.T, token *memory.Token, marked *rsa.PrivateKey) {
	t.Helper()
	hsmtest.Run(t, hsmtest.Setup{
		Token: token, Marked: marked,
		Lose: func(_ *testing.T, id broker.MaterialID, class string) { token.Lose(id, class) },
		Twin: func(_ *testing.T, id broker.MaterialID) { token.Twin(id) },
		Plant: func(t *testing.T, p hsmtest.Planted) {
			t.Helper()
			err := token.Plant(memory.Planted{ID: broker.ObjectID(p.ID), Spec: p.Spec, Usage: p.Usage, Open: p.Open, Fixed: p.Fixed, Stored: p.Stored})
			if err != nil {
				t.Fatal(err)
			}
		},
	})
}
