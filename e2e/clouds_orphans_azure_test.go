package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
)

// The KEK that an import had made is no orphan. One that was planted beside it is, as
// what it is, until it is removed, which disables it; and ours stays off the list meanwhile.
func TestOurKEKIsNoOrphan(t *testing.T) {
	t.Parallel()
	for target, vault := range map[string]string{"vault": azureemu.DefaultPremium, "pool": azureemu.DefaultPool} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, softtoken.SoftHSM)
			his := c.contributor(t, vault)
			c.Must(t, importAt(target, "no-orphan", "ec-p384")...)
			ours := c.onlyKEK(t, target)
			if found := c.orphans(t, target); len(found) > 0 {
				t.Errorf("after an import there are %+v", found)
			}

			planted := keptKEK{Ref: plantsKEK(t, his, nil)}
			found := c.orphans(t, target)
			if len(found) != 1 || found[0].Version != planted.Ref || !contains(found[0].WrappingKey, planted.Ref) {
				t.Errorf("planted was %s, listed are %+v", planted.Ref, found)
			}
			out := c.Must(t, "inventory", "--orphans", "--target", target)
			if !contains(out.Stdout, planted.Ref) || contains(out.Stdout, ours.version()) || !contains(out.Stderr, "keyferry target show "+target) {
				t.Errorf("it says %s", out)
			}

			c.Must(t, found[0].removal(t)...)
			if got, err := his.GetKey(t.Context(), kekName, planted.version(), nil); err != nil || *got.Attributes.Enabled {
				t.Errorf("it was removed, and is %+v, %v", got.Attributes, err)
			}
			if found := c.orphans(t, target); len(found) > 0 {
				t.Errorf("after it was removed there are %+v", found)
			}
			c.Must(t, importAt(target, "no-orphan-2", "ec-p384")...)
			c.cameUnder(t, vault, map[string]int{ours.version(): 2})
			c.auditHolds(t)
		})
	}
}

// orphan is one that inventory lists.
type orphan struct {
	Version     string
	WrappingKey string `json:"wrapping_key"`
	Do          string
}

// removal is the command that it is listed with, and that nobody uses it.
func (o orphan) removal(t *testing.T) []string {
	t.Helper()
	words := strings.Fields(strings.Replace(o.Do, "…", "unwanted", 1))
	if len(words) < 2 || words[0] != "keyferry" {
		t.Fatalf("%+v is listed without a command", o)
	}
	if !slices.Contains(words, "--token") {
		words = append(words, "--unused")
	}
	return append(words[1:], "--yes")
}

func (c *clouds) orphans(t *testing.T, target string) (found []orphan) {
	t.Helper()
	fatal(t, json.Unmarshal([]byte(c.Must(t, "inventory", "--orphans", "--target", target, "--output", "json").Stdout), &found))
	return found
}
