package pkcs11_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
	p11 "github.com/miekg/pkcs11"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs f for both software tokens, one after the other: a module reads where
// its tokens are from the environment of the process, when it is initialised.
func each(t *testing.T, f func(t *testing.T, k softtoken.Kind)) {
	t.Helper()
	for _, k := range softtoken.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			if k.Skipped() {
				t.Skipf("%s names %s", softtoken.SkipVariable, k)
			}
			f(t, k)
		})
	}
}

// store makes one token for each label and points the module at them.
func store(t *testing.T, k softtoken.Kind, labels ...string) []softtoken.Token {
	t.Helper()
	s, err := softtoken.Open(k, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var tokens []softtoken.Token
	for _, label := range labels {
		token, err := s.Add(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	for _, entry := range s.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	return tokens
}

// pinOf reads a PIN as a person's file has it.
func pinOf(token softtoken.Token) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		pin, err := os.ReadFile(token.PINFile)
		return bytes.TrimSpace(pin), err
	}
}

func configOf(token softtoken.Token) pkcs11.Config {
	return pkcs11.Config{Module: token.Module, TokenSerial: token.Serial, PIN: pinOf(token)}
}

// open opens a token, and closes it when the test ends.
func open(t *testing.T, c pkcs11.Config) *pkcs11.Token {
	t.Helper()
	token, err := pkcs11.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return token
}

// raw is a session of the test's own, in a module that somebody initialised and
// is logged in to.
type raw struct {
	ctx     *p11.Ctx
	session p11.SessionHandle
}

func rawSession(t *testing.T, module, serial string) raw {
	t.Helper()
	ctx := p11.New(module)
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil || info.SerialNumber != serial {
			continue
		}
		session, err := ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ctx.CloseSession(session) })
		return raw{ctx, session}
	}
	t.Fatalf("no token with serial %s", serial)
	return raw{}
}

func (r raw) find(t *testing.T, template ...*p11.Attribute) []p11.ObjectHandle {
	t.Helper()
	if err := r.ctx.FindObjectsInit(r.session, template); err != nil {
		t.Fatal(err)
	}
	var all []p11.ObjectHandle
	for {
		some, _, err := r.ctx.FindObjects(r.session, 50)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, some...); len(some) == 0 {
			break
		}
	}
	if err := r.ctx.FindObjectsFinal(r.session); err != nil {
		t.Fatal(err)
	}
	return all
}
