package e2e_test

import (
	"encoding/json"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
)

// The KEK that an import had made is no orphan. One that was planted beside it is, as
// what it is, until somebody disables it; and ours stays off the list meanwhile.
func TestOurKEKIsNoOrphan(t *testing.T) {
	t.Parallel()
	for target, vault := range map[string]string{"vault": azureemu.DefaultPremium, "pool": azureemu.DefaultPool} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, softtoken.SoftHSM)
			his := c.contributor(t, vault)
			c.must(t, importAt(target, "no-orphan", "ec-p384")...)
			ours := c.onlyKEK(t, target)
			if found := c.orphans(t, target); len(found) > 0 {
				t.Errorf("after an import there are %+v", found)
			}

			planted := keptKEK{Ref: plantsKEK(t, his, nil)}
			found := c.orphans(t, target)
			if len(found) != 1 || found[0].Version != planted.Ref || !contains(found[0].WrappingKey, planted.Ref) {
				t.Errorf("planted was %s, listed are %+v", planted.Ref, found)
			}
			out := c.must(t, "inventory", "--orphans", "--target", target)
			if !contains(out.stdout, planted.Ref) || contains(out.stdout, ours.version()) || !contains(out.stderr, "keyferry target show "+target) {
				t.Errorf("it says %s", out)
			}

			c.switchesOff(t, his, planted)
			if found := c.orphans(t, target); len(found) > 0 {
				t.Errorf("after it was disabled there are %+v", found)
			}
		})
	}
}

// orphan is one that inventory lists.
type orphan struct {
	Version     string
	WrappingKey string `json:"wrapping_key"`
}

func (c *clouds) orphans(t *testing.T, target string) (found []orphan) {
	t.Helper()
	fatal(t, json.Unmarshal([]byte(c.must(t, "inventory", "--orphans", "--target", target, "--output", "json").stdout), &found))
	return found
}
