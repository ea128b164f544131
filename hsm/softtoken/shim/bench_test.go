package shim_test

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
)

// BenchmarkCall is what the shim costs a call that costs next to nothing itself.
func BenchmarkCall(b *testing.B) {
	token, err := softtoken.New(b.Context(), softtoken.SoftHSM, b.TempDir(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	for _, entry := range token.Env {
		name, value, _ := strings.Cut(entry, "=")
		b.Setenv(name, value)
	}
	s, err := shim.Start(b.Context(), token.Module)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("direct", func(b *testing.B) { getInfo(b, token.Module) })
	b.Run("shim", func(b *testing.B) { getInfo(b, s.Module()) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func getInfo(b *testing.B, path string) {
	b.Helper()
	module := pkcs11.New(path)
	defer module.Destroy()
	if err := module.Initialize(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := module.GetInfo(); err != nil {
			b.Fatal(err)
		}
	}
	if err := module.Finalize(); err != nil {
		b.Fatal(err)
	}
}
