package e2e_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// Killed at every changing call to the token, and at every commit, while the keeper key is
// replaced, and started again: all that is kept is under the new one and the same, and
// those before it are retired, and there.
func TestKilledWhileTheKeeperKeyIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	kept := map[string]string{"secret": "hmac-256", "pair": "ec-p384"}
	names := slices.Sorted(maps.Keys(kept))
	for _, name := range names {
		s.Must(t, append(s.imports(name, kept[name]), "--retain", "wrapped")...)
	}
	rotates := []string{"token", "rotate-keeper", "--reason", "test"}
	calls := s.changes(t, rotates)
	kills := s.killEverywhere(t, calls, tokenWrites, func() []string {
		s.underOne(t, len(names))
		return rotates
	})
	if kills < 30 {
		t.Errorf("the line was killed at %d places only", kills)
	}
	for _, name := range names {
		s.same(t, kept[name], name)
	}
	s.nothingBesides(t, s.Objects(t), s.underOne(t, len(names)))
	s.judge(t, names...)
	s.auditHolds(t)
}

// underOne: so many records are under the newest keeper key, and nothing is under those
// before it, which the token has all the same. It returns how many there are.
func (s *site) underOne(t *testing.T, records int) int {
	t.Helper()
	all := s.keepers(t)
	for i, k := range all {
		want := keeper{k.ID, "retired", 0, true}
		if i == 0 {
			want = keeper{k.ID, "current", records, true}
		}
		if k != want {
			t.Errorf("keeper key %d of %d is %+v, not %+v", i, len(all), k, want)
		}
	}
	return len(all)
}
