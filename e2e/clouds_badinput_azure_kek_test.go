package e2e_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Whoever may write keys at the vault can make a KEK that looks like ours. Nothing is
// ever wrapped under it: only what our own operations had made is used, and it is shown
// where that came from.
func TestPlantedKEKIsNeverUsed(t *testing.T) {
	t.Parallel()
	for target, vault := range map[string]string{"vault": azureemu.DefaultPremium, "pool": azureemu.DefaultPool} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, softtoken.SoftHSM)
			his := c.contributor(t, vault)

			plantsKEK(t, his, nil)
			c.Must(t, importAt(target, "planted-first", "ec-p384")...)
			ours := c.onlyKEK(t, target)
			c.cameUnder(t, vault, map[string]int{ours.version(): 1})

			plantsKEK(t, his, tagsAt(t, his, ours.version()))
			c.Must(t, importAt(target, "planted-newer", "ec-p384")...)
			c.cameUnder(t, vault, map[string]int{ours.version(): 2})

			c.switchesOff(t, his, ours)
			plantsKEK(t, his, tagsAt(t, his, ours.version()))
			c.Must(t, importAt(target, "planted-instead", "ec-p384")...)
			kept := c.keptKEKs(t, target)
			if len(kept) != 2 || kept[0].Ended != "" || !contains(kept[1].Ended, "it is disabled") || kept[1].Ref != ours.Ref {
				t.Fatalf("on record are %+v", kept)
			}
			c.cameUnder(t, vault, map[string]int{ours.version(): 2, kept[0].version(): 1})
			for _, name := range []string{"planted-first", "planted-newer", "planted-instead"} {
				c.holdsOne(t, target, name)
			}
			c.auditHolds(t)
			c.Must(t, "verify", "--all")
		})
	}
}

// The answer to the making of a KEK is lost, and while it is made again somebody plants
// one with the very tags of the lost one. Neither is used.
func TestPlantedKEKWhileOursIsMade(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his, admin := c.contributor(t, azureemu.DefaultPremium), c.Azure.Admin()
	_, err := admin.Add(t.Context(), faults.Rule{Kind: faults.Drop, When: faults.After, Match: faults.Match{Action: "CreateKey"}})
	fatal(t, err)
	run, held := c.held(t, admin, faults.Rule{Match: faults.Match{Action: "CreateKey"}, Nth: 2}, importAt("vault", "lost-kek", "ec-p384")...)
	lost := tagsAt(t, his, "")
	if lost["keyferry-effect"] == "" {
		t.Fatalf("the lost KEK is marked %v", lost)
	}
	plantsKEK(t, his, lost)
	held.Release(t)
	if out := run.Wait(); out.Code != 0 {
		t.Fatal(out)
	}
	ours := c.onlyKEK(t, "vault")
	if made := tagsAt(t, his, ours.version()); ours.version() != newestOf(t, his, kekName) || made["keyferry-effect"] != lost["keyferry-effect"] {
		t.Errorf("on record is %+v, made with %v", ours, made)
	}
	c.cameUnder(t, azureemu.DefaultPremium, map[string]int{ours.version(): 1})
	c.holdsOne(t, "vault", "lost-kek")
	c.auditHolds(t)
	c.Must(t, "verify", "--all")
}

// Killed while the answer is held: the one that was made and never recorded is used as
// little as the one that was planted then.
func TestPlantedKEKWhileKilled(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	args := importAt("vault", "killed-kek", "ec-p384")
	run, held := c.held(t, c.Azure.Admin(), faults.Rule{When: faults.After, Match: faults.Match{Action: "CreateKey"}}, args...)
	planted := plantsKEK(t, his, tagsAt(t, his, ""))
	kill(t, run)
	held.Remove(t)
	if kept := c.keptKEKs(t, "vault"); len(kept) > 0 {
		t.Errorf("on record is what was never answered: %+v", kept)
	}
	c.Must(t, args...)
	ours := c.onlyKEK(t, "vault")
	if ours.version() == planted || ours.version() != newestOf(t, his, kekName) {
		t.Errorf("on record is %+v", ours)
	}
	c.cameUnder(t, azureemu.DefaultPremium, map[string]int{ours.version(): 1})
	c.holdsOne(t, "vault", "killed-kek")
	c.auditHolds(t)
	c.Must(t, "verify", "--all")
}

// onlyKEK is the one that is on record, with where it came from.
func (c *clouds) onlyKEK(t *testing.T, target string) keptKEK {
	t.Helper()
	kept := c.keptKEKs(t, target)
	if len(kept) != 1 || kept[0].Operation == "" || kept[0].Ended != "" || kept[0].version() == "" {
		t.Fatalf("on record are %+v, want one that an operation had made", kept)
	}
	c.Must(t, "operation", "show", kept[0].Operation)
	return kept[0]
}

func (c *clouds) switchesOff(t *testing.T, his *azkeys.Client, kek keptKEK) {
	t.Helper()
	changesKEK(t, his, kek, azkeys.KeyAttributes{Enabled: new(false)})
}

func changesKEK(t *testing.T, his *azkeys.Client, kek keptKEK, to azkeys.KeyAttributes) {
	t.Helper()
	_, err := his.UpdateKey(t.Context(), kekName, kek.version(), azkeys.UpdateKeyParameters{KeyAttributes: &to}, nil)
	fatal(t, err)
}
