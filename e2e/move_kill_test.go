package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// moving is a way that material goes, and where on it the program is killed.
type moving struct {
	kind           softtoken.Kind
	spec, from, to string
	at             []string // functions of the token
	least          int      // places
}

// Killed at every changing call to the token, and at every commit, while material is
// moved, and started again: it is where the record says, nowhere else, and the same.
func TestKilledWhileMaterialIsMoved(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]moving{
		"out":           {softtoken.SoftHSM, "hmac-256", "token", "wrapped", tokenWrites, 28},
		"in":            {softtoken.SoftHSM, "hmac-256", "wrapped", "token", tokenWrites, 18},
		"out, a pair":   {softtoken.SoftHSM, "ec-p384", "token", "wrapped", objectWrites, 9},
		"in, a pair":    {softtoken.SoftHSM, "ec-p384", "wrapped", "token", objectWrites, 7},
		"out, Kryoptic": {softtoken.Kryoptic, "hmac-256", "token", "wrapped", []string{"C_DestroyObject"}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, m.kind)
			var names []string
			command := func() []string {
				name := fmt.Sprintf("moved-%d", len(names))
				names = append(names, name)
				s.Must(t, append(s.imports(name, m.spec), "--retain", m.from)...)
				return []string{"token", "move", name, "--to", m.to, "--reason", "test"}
			}
			s.Must(t, command()...) // the keeper key is there from now on
			kills := s.killEverywhere(t, s.changes(t, command()), m.at, command)
			if kills < m.least {
				t.Errorf("the line was killed at %d places only", kills)
			}
			t.Logf("killed at %d places", kills)
			s.keptOnce(t, m, names)
		})
	}
}

// keptOnce: each key is on record as moved, in one copy, which is what the target has.
func (s *site) keptOnce(t *testing.T, m moving, names []string) {
	t.Helper()
	objects := s.Objects(t)
	want, wrapped := []string{"Secret Key"}, 0
	switch {
	case m.to == "wrapped":
		want, wrapped = nil, len(names)
	case m.spec == "ec-p384":
		want = []string{"Private Key", "Public Key"}
	}
	for _, name := range names {
		if got := s.retained(t, name); got != m.to {
			t.Errorf("%s is on record as retained: %s", name, got)
		}
		if got := slices.Sorted(slices.Values(objects[name+" v1"])); !slices.Equal(got, want) {
			t.Errorf("of %s the token keeps %q, not %q", name, got, want)
		}
		s.same(t, m.spec, name)
		delete(objects, name+" v1")
	}
	keepers := s.keepers(t)
	if len(keepers) != 1 || keepers[0].Records != wrapped {
		t.Errorf("kept are %+v, not %d records", keepers, wrapped)
	}
	s.nothingBesides(t, objects, len(keepers))
	s.judge(t, names...)
	s.auditHolds(t)
}

// retained is where the record says that a key's material is kept.
func (s *site) retained(t *testing.T, name string) string {
	t.Helper()
	var view struct{ Versions []struct{ Retain string } }
	fatal(t, json.Unmarshal([]byte(s.Must(t, "key", "show", name, "--output", "json").Stdout), &view))
	return view.Versions[0].Retain
}

// same: the material is what the target has. It takes that of a pair, of which it tells
// nothing but the public half, once more, and would take no other.
func (s *site) same(t *testing.T, spec, name string) {
	t.Helper()
	s.Must(t, "verify", name)
	if spec == "ec-p384" {
		s.Must(t, "renew", name, "--valid-to", "60d", "--reason", "test")
	}
}

// keeper is one of the token's keeper keys, as the program shows it.
type keeper struct {
	ID      string
	State   string
	Records int
	Held    bool // the token has it
}

// keepers are all of the token, the newest first.
func (s *site) keepers(t *testing.T) []keeper {
	t.Helper()
	var shown struct{ Keepers []keeper }
	fatal(t, json.Unmarshal([]byte(s.Must(t, "token", "show", "--output", "json").Stdout), &shown))
	return shown.Keepers
}

// nothingBesides: of what is left of the token's objects, each is of the broker's own.
func (s *site) nothingBesides(t *testing.T, objects map[string][]string, keepers int) {
	t.Helper()
	own := map[string]int{"audit head": 1, "keyferry seal key: test": 1, "keyferry keeper key: test": keepers}
	for label, n := range own {
		if len(objects[label]) != n {
			t.Errorf("the token has %d of %q, not %d", len(objects[label]), label, n)
		}
		delete(objects, label)
	}
	if len(objects) > 0 {
		t.Errorf("the token keeps besides: %v", objects)
	}
	if out := s.Must(t, "inventory", "--orphans", "--output", "json"); !contains(out.Stdout, "[]") {
		t.Errorf("orphans: %s", e2etest.Show(out.Stdout))
	}
}
