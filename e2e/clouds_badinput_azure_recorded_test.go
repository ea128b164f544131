package e2e_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// A KEK on record that can be used no more is ended, with the reason, and another is
// made: the import goes through at once.
func TestRecordedKEKThatEnds(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	c.Must(t, importAt("vault", "before", "ec-p384")...)
	came := map[string]int{c.onlyKEK(t, "vault").version(): 1}
	for _, row := range []struct {
		name, why string
		to        azkeys.KeyAttributes
	}{
		{"disabled", "it is disabled", azkeys.KeyAttributes{Enabled: new(false)}},
		{"expired", "it is outside its time", azkeys.KeyAttributes{Expires: new(time.Now().Add(-time.Hour))}},
		{"early", "it is outside its time", azkeys.KeyAttributes{NotBefore: new(time.Now().Add(time.Hour))}},
	} {
		old := c.keptKEKs(t, "vault")[0]
		changesKEK(t, his, old, row.to)
		c.Must(t, importAt("vault", row.name, "ec-p384")...)
		kept := c.keptKEKs(t, "vault")
		if kept[0].Ended != "" || kept[1].Ref != old.Ref || !contains(kept[1].Ended, row.why) {
			t.Errorf("%s: on record are %+v", row.name, kept)
		}
		came[kept[0].version()] = 1
		c.cameUnder(t, azureemu.DefaultPremium, came)
		c.holdsOne(t, "vault", row.name)
	}
	c.auditHolds(t)
	c.Must(t, "verify", "--all")
}

// It ends as well where the policy demands more than it has; the same import then has
// another made.
func TestRecordedKEKThatIsTooSmall(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	before := c.state(t)
	rewritesAfter(atVault, "    settle: 1s\n", "    settle: 1s\n    wrapping_key: rsa-2048\n")(t, c)
	c.Must(t, "target", "enrol", "vault", "--reason", "smaller")
	c.Must(t, importAt("vault", "small", "ec-p384")...)
	small := c.onlyKEK(t, "vault")
	fatal(t, os.WriteFile(c.Config, before.config, 0o600))
	c.Must(t, "target", "enrol", "vault", "--reason", "4096 again")
	c.Must(t, importAt("vault", "large", "ec-p384")...)
	kept := c.keptKEKs(t, "vault")
	if len(kept) != 2 || kept[0].Ended != "" || kept[1].Ref != small.Ref || !contains(kept[1].Ended, "it has 2048 bits, and 4096 are demanded now") {
		t.Fatalf("on record are %+v", kept)
	}
	c.cameUnder(t, azureemu.DefaultPremium, map[string]int{small.version(): 1, kept[0].version(): 1})
	c.auditHolds(t)
	c.Must(t, "verify", "--all")
}

// What is wrong with the KEK on record, or its name, so that nothing can be wrapped
// before somebody has seen to it.
func TestRecordedKEKThatIsRefused(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	c.Must(t, importAt("vault", "before", "ec-p384")...)
	deletes := func(t *testing.T, _ *clouds) {
		t.Helper()
		_, err := his.DeleteKey(t.Context(), kekName, nil)
		fatal(t, err)
	}
	makes, fetched := looks+"|CreateKey", faults.Match{Action: "GetKey", Key: kekName}
	ways := []string{"deleted", "key recover --name " + kekName, "key purge --name " + kekName}
	c.refusesEach(t, []wrong{
		stopped(wrong{target: "vault", bad: bad{name: "another public key", asked: looks, says: []string{"tampered", "its fingerprint is", "nothing was wrapped"}}, spoils: faulty("vault", faults.Rule{Kind: faults.Lie, Match: fetched, Count: -1})}),
		stopped(wrong{target: "vault", bad: bad{name: "denied to fetch it", asked: looks, says: []string{"denied", "grant Microsoft.KeyVault/vaults/keys/read"}}, spoils: faulty("vault", faults.Rule{Kind: faults.Deny, Match: fetched, Count: -1})}),
		stopped(wrong{target: "vault", bad: bad{name: "deleted, and recovered", asked: makes, says: ways, never: []string{"another name"}}, spoils: deletes, heals: recovered(his, kekName)}),
		stopped(wrong{target: "vault", bad: bad{name: "deleted, and purged", asked: makes, says: ways, never: []string{"another name"}}, spoils: deletes, heals: purged(his, kekName)}),
	})
	if kept := c.keptKEKs(t, "vault"); len(kept) != 3 || kept[0].Ended != "" || !contains(kept[1].Ended, "not found") || !contains(kept[2].Ended, "not found") {
		t.Errorf("on record are %+v", kept)
	}
}

// Who edits the store to name his own KEK is found out by the audit, before it is even
// fetched.
func TestRecordedKEKThatIsEdited(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	c.Must(t, importAt("vault", "before", "ec-p384")...)
	ours := c.onlyKEK(t, "vault")
	planted := plantsKEK(t, his, nil)
	swap := func(old, with string) func(*testing.T, *clouds) {
		return func(t *testing.T, c *clouds) {
			t.Helper()
			statement(fmt.Sprintf("UPDATE wrapping_keys SET ref = replace(ref, '%s', '%s')", old, with))(t, c.site)
		}
	}
	c.refusesEach(t, []wrong{stopped(wrong{
		target: "vault", bad: bad{name: "his in place of ours", asked: looks, says: []string{planted, "tampered", "the audit tells of no such row"}},
		spoils: swap(ours.version(), planted), heals: swap(planted, ours.version()),
	})})
	c.cameUnder(t, azureemu.DefaultPremium, map[string]int{ours.version(): 2})
}
