package softtoken_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/miekg/pkcs11"
)

// each runs f for every kind; a kind is left out only when a person named it.
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

func TestTokensOfOneStoreAreSlotsOfOneModule(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		store := open(t, k, t.TempDir())
		first, second, twin := add(t, store, "first"), add(t, store, "second"), add(t, store, "second")
		setenv(t, store)

		got := serials(t, store.Module)
		for _, want := range []softtoken.Token{first, second, twin} {
			if got[want.Serial] != want.Label {
				t.Errorf("token %s has label %q, want %q; all: %v", want.Serial, got[want.Serial], want.Label, got)
			}
		}
		if len(got) != 3 {
			t.Errorf("%d tokens, want 3: %v", len(got), got)
		}
	})
}

func TestPINsOpenTheTokenTheyBelongTo(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		store := open(t, k, t.TempDir())
		token, other := add(t, store, "mine"), add(t, store, "other")
		setenv(t, store)
		module := load(t, token.Module)
		session, err := module.OpenSession(token.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		if err := module.Login(session, pkcs11.CKU_USER, read(t, other.PINFile)); err == nil {
			t.Error("another token's PIN opens it")
		}
		if err := module.Login(session, pkcs11.CKU_USER, read(t, token.PINFile)); err != nil {
			t.Errorf("user PIN: %v", err)
		}
		if err := module.Logout(session); err != nil {
			t.Fatal(err)
		}
		if err := module.Login(session, pkcs11.CKU_SO, read(t, token.SOPINFile)); err != nil {
			t.Errorf("SO PIN: %v", err)
		}
	})
}

func TestStoreIsFoundAgain(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		dir := t.TempDir()
		first := add(t, open(t, k, dir), "first")
		store := open(t, k, dir)
		second := add(t, store, "second")
		setenv(t, store)
		got := serials(t, store.Module)
		if got[first.Serial] != "first" || got[second.Serial] != "second" {
			t.Errorf("reopened store has %v", got)
		}
	})
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		dir := filepath.Join(t.TempDir(), "store")
		store := open(t, k, dir)
		token := add(t, store, "private")
		for _, path := range []string{store.Dir, store.Config, token.PINFile, token.SOPINFile} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v, others may use it", path, info.Mode())
			}
		}
	})
}

func TestLabelIsCheckedBeforeAnythingIsMade(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		store := open(t, k, t.TempDir())
		before := read(t, store.Config)
		for _, label := range []string{"", strings.Repeat("x", 33)} {
			if _, err := store.Add(t.Context(), label); err == nil {
				t.Errorf("label %q accepted", label)
			}
		}
		if read(t, store.Config) != before {
			t.Error("a refused label changed the configuration")
		}
	})
}

func TestMissingModuleSaysWhatToDo(t *testing.T) {
	t.Chdir("/")
	_, err := softtoken.Kryoptic.Module()
	if err == nil || !strings.Contains(err.Error(), "no go.mod of keyferry") {
		t.Errorf("outside the clone: %v", err)
	}
	clone := t.TempDir()
	if err := os.WriteFile(filepath.Join(clone, "go.mod"), []byte("module github.com/keyferry/keyferry\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(clone)
	_, err = softtoken.Kryoptic.Module()
	if err == nil || !strings.Contains(err.Error(), "make setup") || !strings.Contains(err.Error(), "KEYFERRY_TEST_SKIP=kryoptic") {
		t.Errorf("without a build: %v", err)
	}
	if _, err := softtoken.Kind("yubi").Module(); err == nil {
		t.Error("unknown kind has a module")
	}
}

func TestSkipIsByNameOnly(t *testing.T) {
	for value, want := range map[string][]softtoken.Kind{
		"":                 nil,
		"1":                nil,
		"kryoptic":         {softtoken.Kryoptic},
		"kryoptic,softhsm": {softtoken.SoftHSM, softtoken.Kryoptic},
	} {
		t.Setenv(softtoken.SkipVariable, value)
		for _, k := range softtoken.Kinds() {
			if k.Skipped() != slices.Contains(want, k) {
				t.Errorf("%s=%q: %s skipped: %v", softtoken.SkipVariable, value, k, k.Skipped())
			}
		}
	}
}

func open(t *testing.T, k softtoken.Kind, dir string) *softtoken.Store {
	t.Helper()
	store, err := softtoken.Open(k, dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func add(t *testing.T, store *softtoken.Store, label string) softtoken.Token {
	t.Helper()
	token, err := store.Add(t.Context(), label)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func setenv(t *testing.T, store *softtoken.Store) {
	t.Helper()
	for _, entry := range store.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

func load(t *testing.T, path string) *pkcs11.Ctx {
	t.Helper()
	module := pkcs11.New(path)
	if module == nil {
		t.Fatalf("load %s", path)
	}
	t.Cleanup(module.Destroy)
	if err := module.Initialize(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Finalize(); err != nil {
			t.Error(err)
		}
	})
	return module
}

// serials maps the serial number of each initialised token to its label.
func serials(t *testing.T, path string) map[string]string {
	t.Helper()
	module := load(t, path)
	slots, err := module.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, slot := range slots {
		info, err := module.GetTokenInfo(slot)
		if err != nil {
			t.Fatal(err)
		}
		if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			found[info.SerialNumber] = info.Label
		}
	}
	return found
}
