package e2e_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// Whatever doctor says goes, goes: every key spec that a token and the cloud both
// can is born there, imported and proven, and what becomes of the token's copy is
// as asked.
func TestEveryKeySpecThatGoes(t *testing.T) {
	t.Parallel()
	least := map[softtoken.Kind][]string{
		softtoken.SoftHSM:  {"aes-256", "hmac-224", "hmac-256", "hmac-384", "hmac-512", "ec-p384", "ec-secp256k1"},
		softtoken.Kryoptic: {"aes-256", "hmac-256", "rsa-2048", "rsa-3072", "rsa-4096"},
	}
	for _, kind := range softtoken.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, kind)
			ways, names := s.matrix(t), []string(nil)
			for _, spec := range least[kind] {
				if ways[spec] == "" {
					t.Errorf("%s does not go from %s: %v", spec, kind, ways)
				}
			}
			for i, spec := range slices.Sorted(maps.Keys(ways)) {
				retain := []string{"token", "sealed", "none"}[i%3]
				if out := s.Run(t, append(s.imports(spec, spec), "--retain", retain)...); out.Code != 0 {
					t.Errorf("%s by %s, retain %s: %s", spec, ways[spec], retain, out)
				}
				names = append(names, spec)
			}
			if out := s.Run(t, "verify", "--all"); out.Code != 0 {
				t.Error(out)
			}
			s.judge(t, names...)
			s.auditHolds(t)
		})
	}
}

// matrix of doctor: the way of wrapping of each key spec that goes.
func (s *site) matrix(t *testing.T) map[string]string {
	t.Helper()
	out := s.Run(t, "doctor", "--output", "json")
	var told struct {
		Matrix []struct{ Spec, Mechanism, Way string } `json:"matrix"`
	}
	fatal(t, json.Unmarshal([]byte(out.Stdout), &told))
	ways := map[string]string{}
	for _, cell := range told.Matrix {
		if cell.Mechanism != "" {
			ways[cell.Spec] = cell.Mechanism + " " + cell.Way
		}
	}
	return ways
}
