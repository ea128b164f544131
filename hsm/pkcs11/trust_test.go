package pkcs11_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
	p11 "github.com/miekg/pkcs11"
)

// officerOf logs in as the token's security officer.
func officerOf(token softtoken.Token) pkcs11.Config {
	c := configOf(token)
	c.Officer = true
	c.PIN = func(context.Context) ([]byte, error) {
		pin, err := os.ReadFile(token.SOPINFile)
		return bytes.TrimSpace(pin), err
	}
	return c
}

// officer is one at work, until the returned function ends it: nobody else can be logged
// in meanwhile.
func officer(t *testing.T, made softtoken.Token) (*pkcs11.Token, func()) {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), officerOf(made))
	if err != nil {
		t.Fatal(err)
	}
	return token, func() {
		if err := token.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func hostKey(t *testing.T) (der []byte, fingerprint string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return der, hex.EncodeToString(sum[:])
}

func trust(t *testing.T, token *pkcs11.Token, der []byte, fingerprint string) (bool, error) {
	t.Helper()
	key, err := broker.CheckMarked(der, fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return token.Trust(t.Context(), key)
}

func checkedFor(t *testing.T, der []byte, plan broker.Plan) broker.CheckedWrappingKey {
	t.Helper()
	key, err := broker.CheckWrappingKey(broker.WrappingKey{PublicKey: der, Mechanism: plan.Mechanism}, plan, broker.WrappingKeyPolicy{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The token itself refuses what the officer did not mark, also to who goes round the
// broker; and wraps under what he marked.
func TestOnlyWhatTheOfficerMarkedWraps(t *testing.T) {
	if softtoken.SoftHSM.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.SoftHSM)
	}
	made := store(t, softtoken.SoftHSM, "trust")[0]
	good, goodPrint := hostKey(t)
	foreign, _ := hostKey(t)
	so, leave := officer(t, made)
	for i, want := range []bool{false, true} {
		if before, err := trust(t, so, good, goodPrint); err != nil || before != want {
			t.Fatalf("marked for the time %d: before %t, %v", i+1, before, err)
		}
	}
	if _, err := so.Generate(t.Context(), broker.GenerateIn{ID: "kf-a-1", Spec: broker.AES256}); err == nil {
		t.Error("the security officer made a key")
	}
	leave()

	token := open(t, configOf(made))
	plan := trustedPlan(t, token, broker.AES256)
	m, err := token.Generate(t.Context(), broker.GenerateIn{ID: "kf-a-1", Spec: broker.AES256, Usage: broker.Usage{Trusted: true}})
	if err != nil {
		t.Fatal(err)
	}
	if set := m.Attributes.WrapWithTrusted; set == nil || !*set {
		t.Fatalf("born as %+v", m.Attributes)
	}
	expect(t, token.Trusts(t.Context(), checkedFor(t, foreign, plan)), broker.Denied, "none that its security officer marked")
	if _, err := token.Wrap(t.Context(), m, checkedFor(t, good, plan)); err != nil {
		t.Error(err)
	}
	_, err = token.Wrap(t.Context(), m, checkedFor(t, foreign, plan))
	expect(t, err, broker.Denied, "none that its security officer marked")
	m.Attributes.WrapWithTrusted = nil // as a record could be made to say that was changed
	_, err = token.Wrap(t.Context(), m, checkedFor(t, foreign, plan))
	expect(t, err, broker.Rejected, "CKR_KEY_NOT_WRAPPABLE")
	if _, err := trust(t, token, good, goodPrint); broker.KindOf(err) != broker.Misuse {
		t.Errorf("the user marked a key: %v", err)
	}
}

// trustedPlan is one that works and trusts; what is not is for a reason.
func trustedPlan(t *testing.T, token *pkcs11.Token, spec broker.KeySpec) broker.Plan {
	t.Helper()
	plans, err := token.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found broker.Plan
	for _, p := range plans {
		if p.Trusts && (p.Way == broker.TwoStep || !p.Works || p.Distrust != "") || p.Works && !p.Trusts && p.Distrust == "" {
			t.Errorf("%+v", p)
		}
		if p.Trusts && p.Spec == spec {
			found = p
		}
	}
	if found.Spec == "" {
		t.Fatalf("no plan for %s trusts: %+v", spec, plans)
	}
	return found
}

// What SoftHSM's user may not do the probe sees, and what Kryoptic's may.
func TestTrustIsFoundByTrying(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		plans, err := open(t, configOf(store(t, k, "trust")[0])).Plans(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		trusts := 0
		for _, p := range plans {
			if p.Trusts {
				trusts++
			}
			if k == softtoken.Kryoptic && p.Works && p.Way == broker.Direct && !strings.Contains(p.Distrust, "lets its user mark a key that he makes") {
				t.Errorf("%+v", p)
			}
		}
		if trusts > 0 != (k == softtoken.SoftHSM) {
			t.Errorf("%d plans trust", trusts)
		}
	})
}

// An officer whose token takes no mark leaves nothing behind.
func TestAMarkThatIsNotTakenIsSaid(t *testing.T) {
	if softtoken.Kryoptic.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.Kryoptic)
	}
	made := store(t, softtoken.Kryoptic, "trust")[0]
	der, fingerprint := hostKey(t)
	so, leave := officer(t, made)
	defer leave()
	_, err := trust(t, so, der, fingerprint)
	expect(t, err, broker.Unsupported, "C_CreateObject")
	if left := rawSession(t, made.Module, made.Serial).find(t, p11.NewAttribute(p11.CKA_CLASS, p11.CKO_PUBLIC_KEY)); len(left) > 0 {
		t.Errorf("%d public keys are left", len(left))
	}
}

func TestAWrongOfficersPINIsTriedOnce(t *testing.T) {
	if softtoken.SoftHSM.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.SoftHSM)
	}
	c := officerOf(store(t, softtoken.SoftHSM, "trust")[0])
	asked := 0
	c.PIN = func(context.Context) ([]byte, error) { asked++; return []byte("not-the-pin"), nil }
	_, err := pkcs11.Open(t.Context(), c)
	expect(t, err, broker.Denied, "CKR_PIN_INCORRECT")
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
}
