package pkcs11_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	p11 "github.com/miekg/pkcs11"
)

// planFor finds the plan of a spec and mechanism.
func (b *bench) planFor(t *testing.T, spec broker.KeySpec, m broker.Mechanism) broker.Plan {
	t.Helper()
	plans, err := b.token.Plans(t.Context())
	must(t, err)
	i := slices.IndexFunc(plans, func(p broker.Plan) bool { return p.Spec == spec && p.Mechanism == m })
	if i < 0 {
		t.Fatalf("no plan for %s by %s", spec, m)
	}
	return plans[i]
}

// checkedKey is a wrapping key that passed the broker's check.
func checkedKey(t *testing.T, plan broker.Plan) broker.CheckedWrappingKey {
	t.Helper()
	host, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(&host.PublicKey)
	must(t, err)
	key := broker.WrappingKey{PublicKey: der, Mechanism: plan.Mechanism, Source: "test"}
	checked, err := broker.CheckWrappingKey(key, plan, broker.WrappingKeyPolicy{}, time.Now())
	must(t, err)
	return checked
}

// TestWrap interferes with one wrap after another: probing takes long, so one token
// serves them all.
func TestWrap(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		b := behind(t, k, shim.Condition{})
		plan := b.planFor(t, broker.AES256, broker.KWPSHA1)
		m, err := b.generate(t.Context(), 1, false)
		must(t, err)
		t.Run("that fails leaves nothing", func(t *testing.T) { failedWrap(t, b, m, plan) })
		t.Run("that is cancelled cleans up", func(t *testing.T) { cancelledWrap(t, b, m, plan) })
		t.Run("uses keys that can only wrap", func(t *testing.T) { keysOfAWrap(t, b, m, plan) })
	})
}

func failedWrap(t *testing.T, b *bench, m broker.Material, plan broker.Plan) {
	t.Helper()
	for _, rule := range []shim.Rule{
		{Function: "C_WrapKey", Nth: 1, Result: p11.CKR_DEVICE_ERROR},
		{Function: "C_WrapKey", Nth: 2, Result: p11.CKR_KEY_NOT_WRAPPABLE},
		{Function: "C_WrapKey", Nth: 2, When: shim.After, Result: p11.CKR_DEVICE_ERROR},
		{Function: "C_GenerateKey", Nth: 1, Result: p11.CKR_FUNCTION_FAILED},
	} {
		p := b.shim.On(rule)
		out, err := b.token.Wrap(t.Context(), m, checkedKey(t, plan))
		p.Remove()
		if err == nil || out != nil || p.Hits() != 1 {
			t.Errorf("%+v: %d bytes, %v, %d hits", rule, len(out), err, p.Hits())
		}
		if n := b.sessionObjects(t); n != 0 {
			t.Errorf("%+v: %d session objects are left", rule, n)
		}
	}
	_, err := b.token.Wrap(t.Context(), m, checkedKey(t, plan))
	must(t, err)
}

func cancelledWrap(t *testing.T, b *bench, m broker.Material, plan broker.Plan) {
	t.Helper()
	key := checkedKey(t, plan)
	held := b.shim.On(shim.Rule{Function: "C_WrapKey", Nth: 1, Hold: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := b.token.Wrap(ctx, m, key)
		done <- err
	}()
	_, err := held.Wait(soon(t))
	must(t, err)
	before := len(b.shim.Calls("C_WrapKey"))
	cancel()
	held.Release()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if after := len(b.shim.Calls("C_WrapKey")); after != before {
		t.Errorf("%d more calls after the end of the context", after-before)
	}
	if n := b.sessionObjects(t); n != 0 {
		t.Errorf("%d session objects are left", n)
	}
}

// The ephemeral key of the two-step plan can wrap, once, and nothing else; the
// wrapping key can only wrap.
func keysOfAWrap(t *testing.T, b *bench, m broker.Material, plan broker.Plan) {
	t.Helper()
	key := checkedKey(t, plan)
	held := b.shim.On(shim.Rule{Function: "C_WrapKey", Nth: 2, Hold: true})
	done := make(chan error, 1)
	go func() {
		_, err := b.token.Wrap(t.Context(), m, key)
		done <- err
	}()
	_, err := held.Wait(soon(t))
	must(t, err)
	r := rawSession(t, b.config.Module, b.made.Serial)
	there := r.find(t, p11.NewAttribute(p11.CKA_TOKEN, false))
	if len(there) != 2 {
		t.Errorf("%d session objects, want the wrapping key and the ephemeral one", len(there))
	}
	for _, h := range there {
		r.canOnlyWrap(t, h)
	}
	held.Release()
	must(t, <-done)
}

func (r raw) canOnlyWrap(t *testing.T, h p11.ObjectHandle) {
	t.Helper()
	for kind, want := range map[uint]byte{p11.CKA_WRAP: 1, p11.CKA_ENCRYPT: 0, p11.CKA_MODIFIABLE: 0} {
		got, err := r.ctx.GetAttributeValue(r.session, h, []*p11.Attribute{p11.NewAttribute(kind, nil)})
		must(t, err)
		if got[0].Value[0] != want {
			t.Errorf("attribute 0x%X is %d", kind, got[0].Value[0])
		}
	}
	secret := r.find(t, p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY))
	if !slices.Contains(secret, h) {
		return
	}
	decrypt := []*p11.Attribute{p11.NewAttribute(p11.CKA_DECRYPT, true)}
	if err := r.ctx.SetAttributeValue(r.session, h, decrypt); err == nil {
		t.Error("the ephemeral key could be given DECRYPT")
	}
	if _, err := r.ctx.CopyObject(r.session, h, decrypt); err == nil {
		t.Error("the ephemeral key could be copied with DECRYPT")
	}
}

func TestOneStepIsUsedOnlyWhereItIsRight(t *testing.T) {
	ways := func(t *testing.T, how shim.OneStep) (sha1, sha256 broker.Plan) {
		t.Helper()
		b := behind(t, softtoken.Kryoptic, shim.Condition{OneStep: how})
		return b.planFor(t, broker.RSA2048, broker.KWPSHA1), b.planFor(t, broker.RSA2048, broker.KWPSHA256)
	}
	for name, c := range map[string]struct {
		how          shim.OneStep
		sha1, sha256 broker.Way
	}{
		"absent":       {shim.OneStepAbsent, broker.TwoStep, broker.TwoStep},
		"right":        {shim.OneStepRight, broker.OneStep, broker.OneStep},
		"ignores hash": {shim.OneStepIgnoresHash, broker.OneStep, broker.TwoStep},
		"plain wrap":   {shim.OneStepPlainWrap, broker.TwoStep, broker.TwoStep},
		"garbles":      {shim.OneStepGarbles, broker.TwoStep, broker.TwoStep},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := ways(t, c.how)
			if !one.Works || one.Way != c.sha1 || !two.Works || two.Way != c.sha256 {
				t.Errorf("SHA-1 %+v, SHA-256 %+v", one, two)
			}
		})
	}
}

func TestWrongOneStepIsNamedWhereNothingElseWorks(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{OneStep: shim.OneStepIgnoresHash})
	plan := b.planFor(t, broker.ECP384, broker.KWPSHA256)
	if plan.Works {
		t.Fatalf("%+v", plan)
	}
	expect(t, errors.New(plan.Reason), broker.Unclear, "one-step: what it wraps is wrong", "does not open with rsa-aes-key-wrap-sha256")
}

// A token that stumbles over one key of sixteen has no plan for its spec, and all
// its others.
func TestOneStumbleCostsOneSpec(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		if k != softtoken.Kryoptic {
			return // SoftHSM's P-521 is nonconforming from the first key on: no second one is made
		}
		b := behind(t, k, shim.Condition{})
		p := b.shim.On(shim.Rule{Function: "C_GenerateKeyPair", Mechanism: p11.CKM_EC_KEY_PAIR_GEN, Nth: 5, Result: p11.CKR_FUNCTION_FAILED})
		defer p.Remove()
		if plan := b.planFor(t, broker.ECP521, broker.KWPSHA256); plan.Works || p.Hits() != 1 {
			t.Errorf("%+v after %d stumbles", plan, p.Hits())
		}
		if plan := b.planFor(t, broker.AES256, broker.OAEPSHA256); !plan.Works {
			t.Errorf("%+v", plan)
		}
	})
}
