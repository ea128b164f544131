package pkcs11_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	p11 "github.com/miekg/pkcs11"
)

// bench is a token behind a shim.
type bench struct {
	shim   *shim.Shim
	made   softtoken.Token
	config pkcs11.Config
	token  *pkcs11.Token
}

// behind puts a shim before a token of kind, and opens it under one condition.
func behind(t *testing.T, k softtoken.Kind, c shim.Condition) *bench {
	t.Helper()
	b := shimmed(t, k)
	b.shim.Set(c)
	b.token = open(t, b.config)
	return b
}

func shimmed(t *testing.T, k softtoken.Kind) *bench {
	t.Helper()
	if k.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, k)
	}
	made := store(t, k, "shimmed")[0]
	s, err := shim.Start(t.Context(), made.Module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	config := configOf(made)
	config.Module = s.Module()
	return &bench{shim: s, made: made, config: config}
}

func (b *bench) generate(ctx context.Context, number int, mayExist bool) (broker.Material, error) {
	return b.token.Generate(ctx, broker.GenerateIn{
		ID: broker.NewMaterialID("fault", number), Label: "fault", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}, MayExist: mayExist,
	})
}

func (b *bench) sessionObjects(t *testing.T) int {
	t.Helper()
	return len(rawSession(t, b.config.Module, b.made.Serial).find(t, p11.NewAttribute(p11.CKA_TOKEN, false)))
}

// expect a kind, and each of these words in the error.
func expect(t *testing.T, err error, kind broker.Kind, words ...string) {
	t.Helper()
	if broker.KindOf(err) != kind || err == nil {
		t.Errorf("%v, want %s", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func hintOf(err error) string {
	if e, ok := errors.AsType[*broker.Error](err); ok {
		return e.Hint
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestWrongPINIsTriedOnce(t *testing.T) {
	b := shimmed(t, softtoken.SoftHSM)
	b.config.PIN = func(context.Context) ([]byte, error) { return []byte("wrong pin"), nil }
	_, err := pkcs11.Open(t.Context(), b.config)
	expect(t, err, broker.Denied, "C_Login", "CKR_PIN_INCORRECT")
	if n := len(b.shim.Calls("C_Login")); n != 1 {
		t.Errorf("%d tries", n)
	}
	if strings.Contains(err.Error(), "wrong pin") {
		t.Errorf("the error has the PIN: %v", err)
	}
}

func TestRefusedPINIsRemembered(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	b.shim.Set(shim.Condition{Removed: true})
	expect(t, b.token.Health(t.Context()), broker.Unavailable)
	b.shim.Set(shim.Condition{PINIncorrect: true})
	for range 3 {
		expect(t, b.token.Health(t.Context()), broker.Denied, "CKR_PIN_INCORRECT")
	}
	b.shim.Set(shim.Condition{})
	expect(t, b.token.Health(t.Context()), broker.Denied, "CKR_PIN_INCORRECT")
	if n := len(b.shim.Calls("C_Login")); n != 2 {
		t.Errorf("%d logins, want the first and one that was refused", n)
	}
}

func TestLockedPINIsNotTried(t *testing.T) {
	b := shimmed(t, softtoken.SoftHSM)
	b.shim.Set(shim.Condition{PINLocked: true})
	_, err := pkcs11.Open(t.Context(), b.config)
	expect(t, err, broker.Denied, "locked")
	if n := len(b.shim.Calls("C_Login")); n != 0 {
		t.Errorf("%d tries", n)
	}
}

func TestUnreadablePINIsNoTry(t *testing.T) {
	b := shimmed(t, softtoken.SoftHSM)
	b.config.PIN = func(context.Context) ([]byte, error) { return nil, os.ErrPermission }
	if _, err := pkcs11.Open(t.Context(), b.config); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	b.config.PIN = nil
	_, err := pkcs11.Open(t.Context(), b.config)
	expect(t, err, broker.Misuse, "no source of the PIN")
	if n := len(b.shim.Calls("C_Login")); n != 0 {
		t.Errorf("%d tries", n)
	}
}

func TestSessionLimitIsWaitedOut(t *testing.T) {
	b := shimmed(t, softtoken.Kryoptic)
	b.shim.Set(shim.Condition{MaxSessions: 3})
	b.config.Sessions = 10
	b.token = open(t, b.config)
	faults := make([]error, 10)
	var wg sync.WaitGroup
	for i := range faults {
		wg.Go(func() {
			for range 5 {
				_, err := b.generate(t.Context(), i+1, true)
				faults[i] = errors.Join(faults[i], err)
			}
		})
	}
	wg.Wait()
	must(t, errors.Join(faults...))
}

func TestSessionsHeldByOthersAreWaitedFor(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	b.dropIdle(t)
	done := make(chan error, 1)
	refused := b.shim.On(shim.Rule{Function: "C_OpenSession", Result: p11.CKR_SESSION_COUNT})
	go func() { done <- b.token.Health(t.Context()) }()
	if _, err := refused.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	refused.Remove()
	must(t, <-done)
}

// dropIdle makes the pool close its session: it does after every error.
func (b *bench) dropIdle(t *testing.T) {
	t.Helper()
	_, err := b.token.Anchor(t.Context(), "there is none")
	if !errors.Is(err, broker.NotFound) {
		t.Fatal(err)
	}
}

func TestWaitingForASessionEndsWithTheContext(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	b.dropIdle(t)
	refused := b.shim.On(shim.Rule{Function: "C_OpenSession", Result: p11.CKR_SESSION_COUNT})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = refused.Wait(ctx)
		cancel()
	}()
	if err := b.token.Health(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	refused.Remove()
	must(t, b.token.Health(t.Context()))
}

func TestTokenThatIsBackIsUsedAgain(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		b := behind(t, k, shim.Condition{})
		m, err := b.generate(t.Context(), 1, false)
		must(t, err)
		b.shim.Set(shim.Condition{Removed: true})
		expect(t, b.token.Health(t.Context()), broker.Unavailable, b.made.Serial)
		_, err = b.token.Info(t.Context())
		expect(t, err, broker.Unavailable)
		b.shim.Set(shim.Condition{})
		must(t, b.token.Health(t.Context()))
		again, err := b.generate(t.Context(), 1, true)
		must(t, err)
		if again.ID != m.ID || len(b.shim.Calls("C_Login")) != 2 {
			t.Errorf("%v, %d logins", again, len(b.shim.Calls("C_Login")))
		}
	})
}

func TestTokenThatLoggedOutIsLoggedInAgain(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	must(t, b.token.Health(t.Context()))
	r := rawSession(t, b.config.Module, b.made.Serial)
	must(t, r.ctx.Logout(r.session))
	must(t, b.token.Health(t.Context()))
}

func TestWriteProtectedTokenStillAnswers(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	_, err := b.generate(t.Context(), 1, false)
	must(t, err)
	must(t, b.token.Close(t.Context()))
	b.shim.Set(shim.Condition{WriteProtected: true})
	b.token = open(t, b.config)
	_, err = b.token.Info(t.Context())
	must(t, err)
	_, err = b.generate(t.Context(), 1, true)
	must(t, err)
	_, err = b.generate(t.Context(), 2, false)
	expect(t, err, broker.Denied, "C_GenerateKey")
	if !strings.Contains(hintOf(err), "write-protected") {
		t.Errorf("hint %q", hintOf(err))
	}
	expect(t, b.token.Health(t.Context()), broker.Denied)
}

func TestFullTokenSaysSo(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	m, err := b.generate(t.Context(), 1, false)
	must(t, err)
	b.shim.Set(shim.Condition{Full: true})
	_, err = b.generate(t.Context(), 2, false)
	expect(t, err, broker.Rejected, "C_GenerateKey: CKR_DEVICE_MEMORY")
	if !strings.Contains(hintOf(err), "full") {
		t.Errorf("hint %q", hintOf(err))
	}
	expect(t, b.token.Health(t.Context()), broker.Rejected)
	must(t, b.token.Change(t.Context(), m, broker.Destroy))
}

func TestUnclearGenerationIsFoundAgain(t *testing.T) {
	for name, when := range map[string]shim.When{"done": shim.After, "not done": shim.Before} {
		t.Run(name, func(t *testing.T) {
			b := behind(t, softtoken.SoftHSM, shim.Condition{})
			b.shim.On(shim.Rule{Function: "C_GenerateKey", TokenObject: true, Nth: 1, When: when, Result: p11.CKR_DEVICE_ERROR})
			_, err := b.generate(t.Context(), 1, false)
			expect(t, err, broker.Unclear, "C_GenerateKey: CKR_DEVICE_ERROR", "kf-fault-1")
			m, err := b.generate(t.Context(), 1, true)
			must(t, err)
			n := 0
			for _, err := range b.token.Objects(t.Context(), broker.ObjectQuery{ID: m.ID}) {
				must(t, err)
				n++
			}
			if n != 1 {
				t.Errorf("%d objects", n)
			}
		})
	}
}

func TestFailedReadIsUnavailable(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	b.shim.On(shim.Rule{Function: "C_FindObjectsInit", Nth: 1, Result: p11.CKR_FUNCTION_FAILED})
	_, err := b.token.Seal(t.Context(), []byte("record"))
	expect(t, err, broker.Unavailable, "C_FindObjectsInit: CKR_FUNCTION_FAILED")
	_, err = b.token.Seal(t.Context(), []byte("record"))
	expect(t, err, broker.NotFound)
}

func TestCloseWaitsForCallsUnderWay(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	held := b.shim.On(shim.Rule{Function: "C_GenerateKey", Nth: 1, Hold: true})
	made, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := b.generate(t.Context(), 1, false)
		made <- err
	}()
	_, err := held.Wait(soon(t))
	must(t, err)
	go func() { closed <- b.token.Close(t.Context()) }()
	select {
	case err := <-closed:
		t.Errorf("closed under a call: %v", err)
	case err := <-made:
		t.Errorf("the held call is back: %v", err)
	default:
	}
	held.Release()
	must(t, <-made)
	must(t, <-closed)
	_, err = b.generate(t.Context(), 2, false)
	expect(t, err, broker.Unavailable, "closed")
	must(t, b.token.Close(t.Context())) // again does nothing
}

func TestClosedTokenIsLoggedOut(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	must(t, b.token.Health(t.Context()))
	must(t, b.token.Close(t.Context()))
	var names []string
	for _, c := range b.shim.Calls("C_Logout", "C_Finalize") {
		names = append(names, c.Function)
	}
	if got := strings.Join(names, " "); got != "C_Logout C_Finalize" {
		t.Errorf("closed by %q", got)
	}
	opened, shut := len(b.shim.Calls("C_OpenSession")), len(b.shim.Calls("C_CloseSession"))
	if opened != shut {
		t.Errorf("%d sessions opened, %d closed", opened, shut)
	}
}
