package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/keyferry/keyferry/localstack/faults"
)

// call is one call of a line, by its name and its place among those of that name.
type call struct {
	name  string
	nth   int
	write bool
}

// numbered are the calls of a log.
func numbered(names []string, writes func(string) bool) []call {
	seen := map[string]int{}
	calls := make([]call, len(names))
	for i, name := range names {
		seen[name]++
		calls[i] = call{name, seen[name], writes(name)}
	}
	return calls
}

// providerCalls are those of an import that nothing disturbs.
func (s *site) providerCalls(t *testing.T, spec string) []call {
	t.Helper()
	before, err := s.admin.Calls(t.Context(), faults.CallQuery{})
	fatal(t, err)
	if out := s.Run(t, s.imports("undisturbed", spec)...); out.Code != 0 {
		t.Fatal(out)
	}
	all, err := s.admin.Calls(t.Context(), faults.CallQuery{})
	fatal(t, err)
	var names []string
	for _, c := range all[len(before):] {
		names = append(names, c.Action)
	}
	return numbered(names, func(action string) bool {
		return slices.Contains([]string{"CreateKey", "ImportKeyMaterial", "CreateAlias", "GetParametersForImport"}, action)
	})
}

// Killed while any call to the cloud is under way, before or after its commit, and
// started again: one key, one material, one alias, whatever was lost.
func TestKilledAtEveryProviderCall(t *testing.T) {
	t.Parallel()
	for spec, kind := range map[string]softtoken.Kind{
		"aes-256": softtoken.SoftHSM, "hmac-256": softtoken.SoftHSM, "ec-p384": softtoken.SoftHSM, "rsa-2048": softtoken.Kryoptic,
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, kind)
			names := []string{"undisturbed"}
			for i, c := range s.providerCalls(t, spec) {
				for _, when := range sides(c) {
					name := fmt.Sprintf("killed-%d-%s", i, when)
					s.killAt(t, c, when, s.imports(name, spec))
					names = append(names, name)
				}
			}
			if len(names) < 15 {
				t.Errorf("the line was killed at %d places only", len(names)-1)
			}
			s.judge(t, names...)
			s.auditHolds(t)
		})
	}
}

// sides of a commit: a read has none.
func sides(c call) []faults.When {
	if c.write {
		return []faults.When{faults.Before, faults.After}
	}
	return []faults.When{faults.Before}
}

// killAt kills a command while a call to AWS is held, and runs it again.
func (s *site) killAt(t *testing.T, c call, when faults.When, args []string) {
	t.Helper()
	s.killAtCloud(t, cloudCall{"aws", c}, when, args)
}

// auditHolds has the program verify its own records.
func (s *site) auditHolds(t *testing.T) {
	t.Helper()
	if out := s.Run(t, "audit", "verify"); out.Code != 0 {
		t.Error(out)
	}
}

// tokenWrites are the calls that change a token or a session's objects, or end in
// something that is sent away.
var tokenWrites = []string{"C_GenerateKey", "C_GenerateKeyPair", "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_SetAttributeValue", "C_WrapKey", "C_UnwrapKey", "C_Sign", "C_Encrypt"}

// tokenCalls are those of an import that nothing disturbs: every call that changes
// something, and of the others the first.
func (s *site) tokenCalls(t *testing.T, args []string) []call {
	t.Helper()
	before := len(s.Shim.Calls())
	if out := s.Run(t, args...); out.Code != 0 {
		t.Fatal(out)
	}
	var names []string
	for _, c := range s.Shim.Calls()[before:] {
		if !c.Sizing {
			names = append(names, c.Function)
		}
	}
	return slices.DeleteFunc(numbered(names, func(f string) bool { return slices.Contains(tokenWrites, f) }), func(c call) bool {
		return !c.write && c.nth > 1
	})
}

// The same at the token: killed while any call is under way there, also where material is
// kept wrapped. The keeper key is made by an import before them.
func TestKilledAtEveryTokenCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ spec, retain string }{
		"aes-256": {"aes-256", "token"}, "ec-p384": {"ec-p384", "token"}, "aes-256 wrapped": {"aes-256", "wrapped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, softtoken.SoftHSM)
			imports := func(name string) []string { return append(s.imports(name, c.spec), "--retain", c.retain) }
			names := []string{"first", "undisturbed"}
			if out := s.Run(t, imports("first")...); out.Code != 0 {
				t.Fatal(out)
			}
			for i, c := range s.tokenCalls(t, imports("undisturbed")) {
				for _, when := range tokenSides(c) {
					name := fmt.Sprintf("killed-%d-%d", i, when)
					s.killAtTokenCall(t, c, when, imports(name))
					names = append(names, name)
				}
			}
			if len(names) < 20 {
				t.Errorf("the line was killed at %d places only", len(names)-1)
			}
			s.judge(t, names...)
			s.auditHolds(t)
		})
	}
}

func tokenSides(c call) []shim.When {
	if c.write {
		return []shim.When{shim.Before, shim.After}
	}
	return []shim.When{shim.After}
}

// killAtTokenCall kills a command while a call to the token is held, and runs it again.
func (s *site) killAtTokenCall(t *testing.T, c call, when shim.When, args []string) {
	t.Helper()
	run, point := s.heldAtToken(t, c, when, args)
	kill(t, run)
	point.Remove()
	if out := s.Run(t, args...); out.Code != 0 {
		t.Fatalf("killed at %s number %d, side %d, and started again: %s", c.name, c.nth, when, out)
	}
}

// heldAtToken starts the program, and waits until a call of its line to the token is held.
func (s *site) heldAtToken(t *testing.T, c call, when shim.When, args []string) (*e2etest.Run, *shim.Point) {
	t.Helper()
	run, point := s.StartHeldAtToken(t, shim.Rule{Function: c.name, Nth: c.nth, When: when}, args...)
	if run.Over() {
		t.Fatalf("%s number %d of the line was never reached: %s", c.name, c.nth, run.Wait())
	}
	return run, point
}
