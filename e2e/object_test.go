package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// theirs makes a pair in the token with OpenSC's tool, as its owners do. It returns
// the id by which keyferry finds it.
func (s *site) theirs(t *testing.T, id string) string {
	t.Helper()
	s.Tool(t, "--keypairgen", "--key-type", "EC:secp384r1", "--extractable", "--sensitive", "--id", fmt.Sprintf("%x", id), "--label", "theirs")
	return id
}

func (s *site) brings(name, id string) []string {
	return append(s.imports(name, "ec-p384"), "--object", id)
}

// bringsCalls are the token's calls of an import of an object that nothing disturbs,
// until it is wrapped for the first time: from there on the line is that of any key.
// They are all that change something, and of the others the first.
func (s *site) bringsCalls(t *testing.T) []call {
	t.Helper()
	id := s.theirs(t, "undisturbed")
	before := len(s.Shim.Calls())
	if out := s.Run(t, s.brings("undisturbed", id)...); out.Code != 0 {
		t.Fatal(out)
	}
	var names []string
	for _, one := range s.Shim.Calls()[before:] {
		if one.Sizing {
			continue
		}
		if names = append(names, one.Function); one.Function == "C_WrapKey" {
			break
		}
	}
	return slices.DeleteFunc(numbered(names, func(f string) bool { return slices.Contains(tokenWrites, f) }), func(one call) bool {
		return !one.write && one.nth > 1
	})
}

// A key that its owners made in the token is brought as it is: killed at any call to
// the token and started again, it is one key with that material.
func TestKilledWhileAnObjectIsBrought(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	calls := s.bringsCalls(t)
	names := []string{"undisturbed"}
	for i, one := range calls {
		for _, when := range tokenSides(one) {
			name := fmt.Sprintf("brought-%d-%d", i, when)
			s.killAtTokenCall(t, one, when, s.brings(name, s.theirs(t, name)))
			names = append(names, name)
		}
	}
	if len(names) < 10 {
		t.Errorf("the line was killed at %d places only", len(names)-1)
	}
	s.judge(t, names...)
	for _, name := range names {
		if shown := s.Run(t, "key", "show", name, "--output", "json").Stdout; !contains(shown, `"provenance": "adopted"`) {
			t.Errorf("%s: %s", name, shown)
		}
	}
	if out := s.Run(t, s.brings("again", names[1])...); out.Code != 1 || !contains(out.Stderr, "key "+names[1]+" has it already") {
		t.Errorf("an object became two keys: %s", out)
	}
	s.auditHolds(t)
}
