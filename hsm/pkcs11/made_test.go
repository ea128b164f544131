package pkcs11_test

import (
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// stored is material that this process made alone, and so remembers.
func stored(t *testing.T, b *bench, number int) broker.Material {
	t.Helper()
	m, err := b.token.Generate(t.Context(), broker.GenerateIn{
		ID: broker.NewMaterialID("made", number), Label: "made", Spec: broker.HMAC256, Usage: broker.Usage{MAC: true, Modifiable: true}, Sole: func() bool { return true },
	})
	must(t, err)
	if !b.token.Remembers(m.ID) {
		t.Fatalf("%s is not remembered", m)
	}
	return m
}

// searches for objects, in answering a challenge with material.
func searches(t *testing.T, b *bench, m broker.Material) int {
	t.Helper()
	before := len(b.shim.Calls("C_FindObjectsInit"))
	c, err := broker.NewChallenge(broker.ChallengeSubject{Spec: m.Spec, Purpose: broker.MAC, Level: broker.ProofMAC}, time.Now())
	must(t, err)
	_, err = b.token.Answer(t.Context(), m, c)
	must(t, err)
	return len(b.shim.Calls("C_FindObjectsInit")) - before
}

// What was made is used without a search until it was released, sealed or destroyed; then
// nothing of it is remembered, and it works all the same.
func TestWhatIsDoneWithIsForgotten(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	released, sealed, destroyed, kept := stored(t, b, 1), stored(t, b, 2), stored(t, b, 3), stored(t, b, 4)
	if n := searches(t, b, released); n != 0 {
		t.Errorf("while it is remembered there are %d searches", n)
	}
	before := len(b.shim.Calls())
	must(t, b.token.Release(t.Context(), released.ID))
	if n := len(b.shim.Calls()) - before; n != 0 {
		t.Errorf("the token is asked %d times to forget what only we remember", n)
	}
	must(t, b.token.Change(t.Context(), sealed, broker.Seal))
	must(t, b.token.Change(t.Context(), destroyed, broker.Destroy))
	for _, m := range []broker.Material{released, sealed, destroyed} {
		if b.token.Remembers(m.ID) {
			t.Errorf("%s is remembered", m)
		}
	}
	if n := searches(t, b, released); n != 1 {
		t.Errorf("released, there are %d searches", n)
	}
	if n := searches(t, b, kept); n != 0 || !b.token.Remembers(kept.ID) {
		t.Errorf("of what is still needed there are %d searches", n)
	}
}

// Handles of a login that has ended are forgotten with it.
func TestWhatALoginRememberedGoesWithIt(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	before := stored(t, b, 1)
	r := rawSession(t, b.config.Module, b.made.Serial)
	must(t, r.ctx.Logout(r.session))
	must(t, b.token.Health(t.Context()))
	after := stored(t, b, 2)
	if b.token.Remembers(before.ID) || !b.token.Remembers(after.ID) {
		t.Errorf("of the first login: %v, of the second: %v", b.token.Remembers(before.ID), b.token.Remembers(after.ID))
	}
}
