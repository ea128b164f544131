package shim_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
)

// bench is a token behind a shim, its module loaded in this process. A store a process: these tests do not run in parallel.
type bench struct {
	*pkcs11.Ctx
	shim  *shim.Shim
	token softtoken.Token
	pin   string
}

// each runs f for every kind of token; a kind is left out only when a person named it.
func each(t *testing.T, f func(t *testing.T, b bench)) {
	t.Helper()
	for _, k := range softtoken.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			if k.Skipped() {
				t.Skipf("%s names %s", softtoken.SkipVariable, k)
			}
			f(t, setUp(t, k))
		})
	}
}

func setUp(t *testing.T, k softtoken.Kind) bench {
	t.Helper()
	token, s := newShim(t, k)
	for _, entry := range token.Env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	pin, err := os.ReadFile(token.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	b := bench{Ctx: pkcs11.New(s.Module()), shim: s, token: token, pin: string(pin)}
	if b.Ctx == nil {
		t.Fatalf("load %s", s.Module())
	}
	t.Cleanup(b.Destroy)
	must(t, b.Initialize())
	t.Cleanup(func() { must(t, b.Finalize()) })
	return b
}

func newShim(t *testing.T, k softtoken.Kind) (softtoken.Token, *shim.Shim) {
	t.Helper()
	token, err := softtoken.New(t.Context(), k, t.TempDir(), "bench")
	must(t, err)
	s, err := shim.Start(t.Context(), token.Module)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return token, s
}

func (b bench) open(t *testing.T) pkcs11.SessionHandle {
	t.Helper()
	session, err := b.OpenSession(b.token.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	must(t, err)
	return session
}

func (b bench) login(t *testing.T) pkcs11.SessionHandle {
	t.Helper()
	session := b.open(t)
	must(t, b.Login(session, pkcs11.CKU_USER, b.pin))
	return session
}

func (b bench) aes(session pkcs11.SessionHandle, stays bool) (pkcs11.ObjectHandle, error) {
	return b.GenerateKey(session, mechanism(pkcs11.CKM_AES_KEY_GEN), []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, stays),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
	})
}

// rsa makes a pair that stays, which takes a while.
func (b bench) rsa(session pkcs11.SessionHandle) (public, private pkcs11.ObjectHandle, err error) {
	stays := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}
	half := append(stays, pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	return b.GenerateKeyPair(session, mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN), half, stays)
}

func (b bench) kept(t *testing.T, session pkcs11.SessionHandle) int {
	t.Helper()
	must(t, b.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}))
	found, _, err := b.FindObjects(session, 100)
	must(t, err)
	must(t, b.FindObjectsFinal(session))
	return len(found)
}

func (b bench) slots(t *testing.T) int {
	t.Helper()
	slots, err := b.GetSlotList(true)
	must(t, err)
	return len(slots)
}

func TestHealthyTokenIsOnlyForwarded(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		_, err := b.aes(session, true)
		must(t, err)
		if b.kept(t, session) != 1 {
			t.Error("the key is not there")
		}
		var names []string
		for _, c := range b.shim.Calls() {
			names = append(names, c.Function)
			if !c.Forwarded || !c.Done || c.Real != 0 || c.Result != 0 || c.PID != os.Getpid() {
				t.Errorf("call %+v", c)
			}
		}
		want := "C_Initialize C_OpenSession C_Login C_GenerateKey C_FindObjectsInit C_FindObjects C_FindObjectsFinal"
		if got := strings.Join(names, " "); got != want {
			t.Errorf("calls %s\nwant  %s", got, want)
		}
	})
}

func TestLogTellsWhatCountsAndNoPIN(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		_, err := b.aes(session, true)
		must(t, err)
		must(t, b.Logout(session))
		wants(t, b.Login(session, pkcs11.CKU_USER, "not the PIN"), pkcs11.CKR_PIN_INCORRECT)

		logins := b.shim.Calls("C_Login")
		if len(logins) != 2 || logins[0].Extra != pkcs11.CKU_USER || logins[1].Result != pkcs11.CKR_PIN_INCORRECT {
			t.Errorf("logins %+v", logins)
		}
		if logins[0].Session != uint(session) || logins[0].Mechanism != shim.NoMechanism {
			t.Errorf("login %+v", logins[0])
		}
		made := b.shim.Calls("C_GenerateKey")[0]
		if !made.TokenObject || made.Mechanism != pkcs11.CKM_AES_KEY_GEN {
			t.Errorf("key generation %+v", made)
		}
		if opened := b.shim.Calls("C_OpenSession")[0]; opened.Slot != b.token.Slot || opened.Extra&pkcs11.CKF_RW_SESSION == 0 {
			t.Errorf("opened %+v", opened)
		}
	})
}

func TestAnyResultAtTheNthCall(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		p := b.shim.On(shim.Rule{Function: "C_GenerateKey", Nth: 2, Result: pkcs11.CKR_GENERAL_ERROR})
		for i, want := range []uint{0, pkcs11.CKR_GENERAL_ERROR, 0} {
			if _, err := b.aes(session, true); ckr(err) != want {
				t.Errorf("call %d: %v, want %#x", i+1, err, want)
			}
		}
		if b.kept(t, session) != 2 || p.Hits() != 1 {
			t.Errorf("%d keys, %d hits", b.kept(t, session), p.Hits())
		}
		if c := b.shim.Calls("C_GenerateKey")[1]; c.Forwarded || !c.Done {
			t.Errorf("the refused call: %+v", c)
		}
	})
}

func TestAnswerLostAfterTheTokenDidIt(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		b.shim.On(shim.Rule{TokenObject: true, When: shim.After, Result: pkcs11.CKR_DEVICE_ERROR})
		_, err := b.aes(session, true)
		wants(t, err, pkcs11.CKR_DEVICE_ERROR)
		_, err = b.aes(session, false)
		must(t, err)
		if b.kept(t, session) != 1 {
			t.Error("the token did not make the key")
		}
		if c := b.shim.Calls("C_GenerateKey")[0]; c.Real != 0 || c.Result != pkcs11.CKR_DEVICE_ERROR || !c.Forwarded {
			t.Errorf("the call whose answer is lost: %+v", c)
		}
	})
}

func TestRuleFitsByMechanismAndProcessAndEndsWithRemove(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		other := b.shim.On(shim.Rule{Mechanism: pkcs11.CKM_AES_ECB, Result: pkcs11.CKR_DEVICE_ERROR})
		stranger := b.shim.On(shim.Rule{PID: 1, Result: pkcs11.CKR_DEVICE_ERROR})
		mine := b.shim.On(shim.Rule{Mechanism: pkcs11.CKM_AES_KEY_GEN, PID: os.Getpid(), Result: pkcs11.CKR_HOST_MEMORY})
		b.shim.On(shim.Rule{Function: "C_GenerateKey", Result: pkcs11.CKR_DEVICE_ERROR})
		_, err := b.aes(session, false)
		wants(t, err, pkcs11.CKR_HOST_MEMORY) // the first of two that fit
		mine.Remove()
		_, err = b.aes(session, false)
		wants(t, err, pkcs11.CKR_DEVICE_ERROR)
		if other.Hits() != 0 || stranger.Hits() != 0 || mine.Hits() != 1 {
			t.Errorf("hits %d, %d, %d", other.Hits(), stranger.Hits(), mine.Hits())
		}
	})
}

func TestLengthQueriesCountOnlyWhenAskedFor(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		session := b.login(t)
		key, err := b.aes(session, false)
		must(t, err)
		encrypt := func() error {
			must(t, b.EncryptInit(session, mechanism(pkcs11.CKM_AES_ECB), key))
			_, err := b.Encrypt(session, make([]byte, 16))
			return err
		}
		first := b.shim.On(shim.Rule{Function: "C_Encrypt", Nth: 1, Result: pkcs11.CKR_DEVICE_ERROR})
		wants(t, encrypt(), pkcs11.CKR_DEVICE_ERROR)
		first.Remove()
		calls := b.shim.Calls("C_Encrypt")
		if len(calls) != 2 || !calls[0].Sizing || calls[1].Sizing || calls[0].Result != 0 {
			t.Errorf("calls %+v", calls)
		}
		sizing := b.shim.On(shim.Rule{Function: "C_Encrypt", Sizing: true, Result: pkcs11.CKR_HOST_MEMORY})
		other := b.open(t)
		must(t, b.EncryptInit(other, mechanism(pkcs11.CKM_AES_ECB), key))
		_, err = b.Encrypt(other, make([]byte, 16))
		wants(t, err, pkcs11.CKR_HOST_MEMORY)
		if sizing.Hits() != 1 {
			t.Errorf("%d hits", sizing.Hits())
		}
	})
}

func TestDelayIsPutOnTop(t *testing.T) {
	b := setUp(t, softtoken.SoftHSM)
	const delay = 50 * time.Millisecond
	b.shim.On(shim.Rule{Function: "C_GetInfo", Delay: delay})
	begun := time.Now()
	_, err := b.GetInfo()
	must(t, err)
	if took := time.Since(begun); took < delay {
		t.Errorf("took %v", took)
	}
}

func TestClosedShimFailsLoudly(t *testing.T) {
	token, err := softtoken.New(t.Context(), softtoken.SoftHSM, t.TempDir(), "closed")
	must(t, err)
	s, err := shim.Start(t.Context(), token.Module)
	must(t, err)
	module := pkcs11.New(s.Module())
	must(t, s.Close())
	defer module.Destroy()
	wants(t, module.Initialize(), pkcs11.CKR_GENERAL_ERROR)
}

func TestMissingRealModuleIsAnError(t *testing.T) {
	s, err := shim.Start(t.Context(), "/nowhere/module.so")
	must(t, err)
	defer func() { must(t, s.Close()) }()
	module := pkcs11.New(s.Module())
	defer module.Destroy()
	wants(t, module.Initialize(), pkcs11.CKR_GENERAL_ERROR)
}

func mechanism(m uint) []*pkcs11.Mechanism { return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, nil)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err error, want uint) {
	t.Helper()
	if ckr(err) != want {
		t.Errorf("error %v (%#x), want %#x", err, ckr(err), want)
	}
}

func ckr(err error) uint {
	if code, ok := err.(pkcs11.Error); ok { //nolint:errorlint // what the binding returns, not wrapped
		return uint(code)
	}
	if err != nil {
		return ^uint(0)
	}
	return pkcs11.CKR_OK
}

// soon is a deadline for what takes no time, generous for a slow machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
