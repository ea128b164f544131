package pkcs11_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// The header that is edited here is ELF's.
func TestModuleForAnotherCPU(t *testing.T) {
	path, err := softtoken.SoftHSM.Module()
	must(t, err)
	lib, err := os.ReadFile(path)
	must(t, err)
	lib[18], lib[19] = 0x08, 0x00 // e_machine: EM_MIPS
	other := filepath.Join(t.TempDir(), "mips.so")
	must(t, os.WriteFile(other, lib, 0o600))
	_, err = pkcs11.Open(t.Context(), pkcs11.Config{Module: other, TokenLabel: "x"})
	expect(t, err, broker.Misuse, "another CPU", "EM_MIPS")
}
