package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// always breaks every call of one kind at the vault.
func always(rule faults.Rule, action string) func(*testing.T, *clouds) {
	rule.Match.Action, rule.Count = action, -1
	return faulty("vault", rule)
}

// Refusals at the calls that change something: what is missing is named, nothing
// arrives, and the same command goes on once it is there.
func TestRefusedByTheVault(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	firewall := faults.Rule{Kind: faults.Fail, Code: "Forbidden/ForbiddenByFirewall", Message: "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7"}
	throttled, busy := faults.Rule{Kind: faults.Throttle, RetryAfter: 300}, faults.Rule{Kind: faults.Fail, Code: "Conflict/ObjectIsBeingDeleted", Message: "Key is currently being deleted"}
	his := c.contributor(t, azureemu.DefaultPremium)
	noKEK := func(then func(*testing.T, *clouds)) func(*testing.T, *clouds) {
		return func(t *testing.T, c *clouds) {
			t.Helper()
			if kept := c.keptKEKs(t, "vault"); len(kept) > 0 {
				c.switchesOff(t, his, kept[0])
			}
			then(t, c)
		}
	}
	makes, imports := looks+"|CreateKey", looks+"|CreateKey|ImportKey"
	notes := []string{"network settings", "networkAcls", "caller is not a trusted service. Client address: 203.0.113.7"}
	c.refusesEach(t, []wrong{
		stopped(wrong{target: "vault", bad: bad{name: "no KEK may be made", asked: makes, says: []string{"denied", "grant Microsoft.KeyVault/vaults/keys/create/action"}, never: []string{"is at target"}}, spoils: noKEK(always(faults.Rule{Kind: faults.Deny}, "CreateKey"))}),
		stopped(wrong{target: "vault", bad: bad{name: "no KEK for the firewall", asked: makes, says: notes, never: []string{"grant"}}, spoils: noKEK(always(firewall, "CreateKey"))}),
		stopped(wrong{target: "vault", bad: bad{name: "no KEK for now", asked: makes, says: []string{"throttled", "wait 5m0s"}}, spoils: noKEK(always(throttled, "CreateKey"))}),
		stopped(wrong{target: "vault", bad: bad{name: "no import", asked: imports, says: []string{"denied", "grant Microsoft.KeyVault/vaults/keys/import/action"}}, spoils: always(faults.Rule{Kind: faults.Deny}, "ImportKey")}),
		stopped(wrong{target: "vault", bad: bad{name: "no import for the firewall", asked: imports, says: notes, never: []string{"grant"}}, spoils: always(firewall, "ImportKey")}),
		stopped(wrong{target: "vault", bad: bad{name: "no import for now", asked: imports, says: []string{"throttled", "wait 5m0s"}}, spoils: always(throttled, "ImportKey")}),
		stopped(wrong{target: "vault", bad: bad{name: "being deleted, for good", asked: imports, says: []string{"ObjectIsBeingDeleted", "unavailable"}}, spoils: always(busy, "ImportKey")}),
		{target: "vault", bad: bad{name: "no look for the firewall", code: 1, asked: looks, says: notes, never: []string{"grant"}}, spoils: always(firewall, "ListKeys"), same: true},
		{target: "vault", bad: bad{name: "no look for now", code: 1, asked: looks, says: []string{"throttled", "5m0s"}}, spoils: always(throttled, "ListKeys"), same: true},
	})
}

// What passes is outlived: one command, one version.
func TestPassingRefusals(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	for _, action := range []string{"CreateKey", "ListKeys", "ImportKey", "GetKey", "Sign"} {
		for i, rule := range []faults.Rule{
			{Kind: faults.Throttle, RetryAfter: 1, Match: faults.Match{Action: action}},
			{Kind: faults.Fail, Code: "Conflict/ObjectIsBeingRecovered", Match: faults.Match{Action: action}},
		} {
			if action == "CreateKey" && i > 0 {
				continue // the KEK is there
			}
			id, err := c.Azure.Admin().Add(t.Context(), rule)
			fatal(t, err)
			name := action + []string{"-throttled", "-recovering"}[i]
			c.Must(t, importAt("vault", name, "ec-p384")...)
			c.holdsOne(t, "vault", name)
			hit(t, c, id)
		}
	}
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// hit: the rule was met, once.
func hit(t *testing.T, c *clouds, id string) {
	t.Helper()
	calls, err := c.Azure.Admin().Calls(t.Context(), faults.CallQuery{Fault: id})
	fatal(t, err)
	if len(calls) != 1 {
		t.Errorf("%s was met %d times", id, len(calls))
	}
}

// The proof is refused: the version is there, it is never given out, and the same
// command proves it.
func TestProofIsRefused(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.Must(t, importAt("vault", "before", "ec-p384")...)
	for name, row := range map[string]struct{ action, says string }{
		"public-half": {"GetKey", "Microsoft.KeyVault/vaults/keys/read"},
		"possession":  {"Sign", "Microsoft.KeyVault/vaults/keys/sign/action"},
	} {
		run, held := c.heldImport(t, faults.After, name)
		id, err := c.Azure.Admin().Add(t.Context(), faults.Rule{Kind: faults.Deny, Count: -1, Match: faults.Match{Action: row.action, Key: name}})
		fatal(t, err)
		held.Release(t)
		out := run.Wait()
		said := bad{code: 3, changed: "material ", says: []string{"denied", "grant " + row.says}}
		said.explained(t, out)
		if p := c.placements(t, name)["vault"]; p.Step == "active" || p.Version.ID != "" && p.Proof.Level != "" {
			t.Errorf("unproven, it is on record as %+v", p)
		}
		fatal(t, c.Azure.Admin().Remove(t.Context(), id))
		c.Must(t, importAt("vault", name, "ec-p384")...)
		c.holdsOne(t, "vault", name)
	}
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// A Standard vault has no HSM: nothing is made there, whatever it is asked for.
func TestStandardVaultMakesNoKEK(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	before := c.state(t)
	rewritesAfter(atVault, c.Azure.URL(azureemu.DefaultPremium), c.Azure.URL(azureemu.DefaultStandard))(t, c)
	c.Must(t, "target", "enrol", "vault", "--reason", "standard")
	said := bad{code: 3, changed: "material ", says: []string{"not allowed on standard vault", "Premium SKU, or a Managed HSM"}}
	c.refusedAs(t, said, importAt("vault", "hsm", "ec-p384"))
	c.healed(t, before)
	c.Must(t, "target", "enrol", "vault", "--reason", "premium again")
	c.Must(t, importAt("vault", "premium", "ec-p384")...)
	c.holdsOne(t, "vault", "premium")
	c.Must(t, "verify", "premium")
	c.auditHolds(t)
}

// A Managed HSM holds a hundred versions of a key, and those of KEKs are all of one.
func TestVersionLimitOfKEKs(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPool)
	for range 100 {
		plantsKEK(t, his, nil)
	}
	c.refusesEach(t, []wrong{
		stopped(wrong{
			target: "pool", bad: bad{name: "full", asked: looks + "|CreateKey", says: []string{"has 100 versions, which is the limit"}},
			heals: func(t *testing.T, _ *clouds) { t.Helper(); removes(t, his, kekName) },
		}),
	})
}
