package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// A token, or what leads to it, that is not as it should be.
func TestBadToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	s.refusesAll(t, []bad{
		{
			name: "module path wrong", spoil: s.moduleAt("/no/such/module.so"), code: 2, logins: []int{0},
			says: []string{"load PKCS #11 module /no/such/module.so", "no such file", "give the absolute path"},
		}, {
			name: "module is text", spoil: s.moduleAt(textModule(t, s)), code: 2, logins: []int{0},
			says: []string{"text.so", "it is not a shared library", "give the absolute path"},
		}, {
			name: "module is another library", spoil: s.moduleAt(emptyModule(t, s)), code: 2, logins: []int{0},
			says: []string{"empty.so", "no PKCS #11 module: C_GetFunctionList is missing"},
		}, {
			name: "module for another CPU", spoil: s.moduleAt(foreignModule(t, s)), code: 2, logins: []int{0},
			says: []string{"foreign.so", "it is for another CPU: EM_MIPS", "for this machine"},
		}, {
			name: "no token of that label", spoil: edit("label: e2e", "label: nobody"), code: 1, logins: []int{0},
			says: []string{`find token "nobody": not found`, `"e2e" (serial ` + s.Token.Serial + ")", "name one of these by label or serial"},
		}, {
			name: "wrong PIN", spoil: s.otherPIN(t), code: 1, logins: []int{1}, never: []string{"8642097531"},
			says: []string{"log in to", "CKR_PIN_INCORRECT", "tried once and is not tried again"},
		}, {
			name: "locked PIN", spoil: is(shim.Condition{PINLocked: true}), code: 1, logins: []int{0},
			says: []string{"the user PIN is locked; none was tried", "the security officer can unlock it"},
		}, {
			name: "removed", spoil: is(shim.Condition{Removed: true}), code: 1, logins: []int{0},
			says: []string{`find token "e2e"`, "not found", "no token"},
		}, {
			name: "read-only", spoil: is(shim.Condition{WriteProtected: true}), code: 1, asked: reads,
			says: []string{"import key bad-8", "CKR_TOKEN_WRITE_PROTECTED", "the token is write-protected", "keyferry operation resume"},
		}, {
			name: "full", spoil: is(shim.Condition{Full: true}), code: 1, asked: reads,
			says: []string{"import key bad-9", "CKR_DEVICE_MEMORY", "the token is full", "keyferry operation resume"},
		},
	})
}

// Two tokens with one label: a serial chooses, and the token is enrolled by it.
func TestTwoTokensWithOneLabel(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	var twin softtoken.Token
	s.refusesAll(t, []bad{{
		name: "two of one label", code: 1, logins: []int{0},
		spoil: func(t *testing.T, s *site) {
			t.Helper()
			store, err := softtoken.Open(softtoken.SoftHSM, filepath.Join(s.Dir, "token"))
			fatal(t, err)
			twin, err = store.Add(t.Context(), "e2e")
			fatal(t, err)
		},
		says: []string{`find token "e2e": conflict: 2 tokens fit`, s.Token.Serial, "name the token by its serial"},
		heal: func(t *testing.T, s *site) {
			t.Helper()
			edit("label: e2e", "serial: "+s.Token.Serial)(t, s)
			if out := s.Run(t, "token", "enrol", "--environment", "test"); out.Code != 0 {
				t.Fatalf("enrolled by its serial: %s", out)
			}
		},
	}, {
		name: "the other one", code: 1,
		spoil: func(t *testing.T, s *site) {
			t.Helper()
			edit("serial: "+s.Token.Serial, "serial: "+twin.Serial)(t, s)
			edit(s.Token.PINFile, twin.PINFile)(t, s)
		},
		says: []string{"check enrolment of token hsm", "find the seal key: not found", "keyferry token enrol"},
	}})
}

func is(c shim.Condition) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) { s.Shim.Set(c) }
}

func (s *site) moduleAt(path string) func(*testing.T, *site) {
	return edit("module: "+s.Shim.Module(), "module: "+path)
}

func (s *site) otherPIN(t *testing.T) func(*testing.T, *site) {
	t.Helper()
	path := filepath.Join(s.Dir, "other.pin")
	fatal(t, os.WriteFile(path, []byte("8642097531"), 0o600))
	return edit(s.Token.PINFile, path)
}

func textModule(t *testing.T, s *site) string {
	t.Helper()
	path := filepath.Join(s.Dir, "text.so")
	fatal(t, os.WriteFile(path, []byte("no library\n"), 0o600))
	return path
}

// emptyModule is a shared library with nothing in it.
func emptyModule(t *testing.T, s *site) string {
	t.Helper()
	path := filepath.Join(s.Dir, "empty.so")
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-o", path, "-x", "c", os.DevNull).CombinedOutput(); err != nil {
		t.Fatalf("build a shared library: %v (make setup installs a C compiler)\n%s", err, out)
	}
	return path
}

// foreignModule is the module, which says that it is for MIPS (e_machine of elf(5)).
func foreignModule(t *testing.T, s *site) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Fatal("the header that is edited here is ELF's")
	}
	text, err := os.ReadFile(s.Token.Module)
	fatal(t, err)
	text[18], text[19] = 8, 0
	path := filepath.Join(s.Dir, "foreign.so")
	fatal(t, os.WriteFile(path, text, 0o600))
	return path
}
