package e2e_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// A name whose key was deleted is not free: that is said before anything is made, with
// the ways out of it, and each of them is one.
func TestDeletedName(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	refused := bad{name: "purged", code: 1, asked: looks, says: []string{
		"conflict", "is the name of a deleted key at target vault, and not free before",
		"recover that key, purge it where the target allows it, or import under another name",
	}}
	c.refusesEach(t, []wrong{
		{target: "vault", bad: refused, spoils: deleted(his, "wrong-0"), heals: purged(his, "wrong-0"), same: true},
	})
	t.Run("another name", func(t *testing.T) {
		deleted(his, "taken")(t, c)
		c.refusedAs(t, refused, importAt("vault", "taken", "ec-p384"))
		c.Must(t, importAt("vault", "another", "ec-p384")...)
		c.holdsOne(t, "vault", "another")
	})
	t.Run("recovered", func(t *testing.T) {
		recovered(his, "taken")(t, c)
		still := bad{code: 1, says: []string{"taken already leads to", "import under another name"}}
		c.refusedAs(t, still, importAt("vault", "taken", "ec-p384"))
	})
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// Ours was deleted at the vault: nothing says that it is fine until it is recovered.
func TestDeletedKeyOfOurs(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	args := importAt("vault", "ours", "ec-p384")
	c.Must(t, args...)
	_, err := his.DeleteKey(t.Context(), "ours", nil)
	fatal(t, err)
	if out := c.Run(t, "verify", "ours"); out.Code == 0 || !contains(out.Stdout, "it is pending-deletion") {
		t.Errorf("it verifies: %s", out)
	}
	recovered(his, "ours")(t, c)
	c.Must(t, "verify", "ours")
	c.Must(t, args...)
	c.holdsOne(t, "vault", "ours")
	c.auditHolds(t)
}

// A vault that is protected from purging leaves the other ways.
func TestDeletedNameThatCannotBePurged(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	fatal(t, c.Azure.Admin().Configure(t.Context(), azureemu.Change{
		Vaults: []azureemu.Vault{{Name: azureemu.DefaultPremium, Mode: azureemu.Premium, PurgeProtection: true}},
	}))
	c.Must(t, importAt("vault", "ours", "ec-p384")...)
	deleted(his, "protected")(t, c)
	said := bad{code: 1, says: []string{"purge it where the target allows it", "another name"}}
	c.refusedAs(t, said, importAt("vault", "protected", "ec-p384"))
	if _, err := his.PurgeDeletedKey(t.Context(), "protected", nil); err == nil || !contains(err.Error(), "not enabled for this vault") {
		t.Fatalf("it was purged: %v", err)
	}
	c.Must(t, importAt("vault", "unprotected", "ec-p384")...)
	c.holdsOne(t, "vault", "unprotected")
	recovered(his, "protected")(t, c)
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// The name is deleted only once the import is on its way: the vault's refusal has the
// same ways out, and nothing arrives.
func TestNameIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	run, held := c.heldImport(t, faults.Before, "meanwhile")
	deleted(his, "meanwhile")(t, c)
	held.Release(t)
	out := run.Wait()
	said := bad{code: 3, changed: "material ", says: []string{
		"ObjectIsDeletedButRecoverable", "key recover --name meanwhile", "key purge --name meanwhile", "another name",
	}}
	said.explained(t, out)
	purged(his, "meanwhile")(t, c)
	c.Must(t, importAt("vault", "meanwhile", "ec-p384")...)
	c.holdsOne(t, "vault", "meanwhile")
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// refusedAs holds a command against what it is to say; nothing arrives anywhere.
func (c *clouds) refusedAs(t *testing.T, b bad, args []string) {
	t.Helper()
	held := c.holdings(t)
	b.explained(t, c.Run(t, args...))
	if now := c.holdings(t); now != held {
		t.Errorf("nothing was to arrive; before %s\nnow %s", held, now)
	}
}

// deleted makes a key of somebody else's and deletes it, which keeps its name.
func deleted(his *azkeys.Client, name string) func(*testing.T, *clouds) {
	return func(t *testing.T, _ *clouds) {
		t.Helper()
		plantsKey(t, his, name, nil)
		_, err := his.DeleteKey(t.Context(), name, nil)
		fatal(t, err)
	}
}

func purged(his *azkeys.Client, name string) func(*testing.T, *clouds) {
	return func(t *testing.T, _ *clouds) {
		t.Helper()
		_, err := his.PurgeDeletedKey(t.Context(), name, nil)
		fatal(t, err)
	}
}

func recovered(his *azkeys.Client, name string) func(*testing.T, *clouds) {
	return func(t *testing.T, _ *clouds) {
		t.Helper()
		_, err := his.RecoverDeletedKey(t.Context(), name, nil)
		fatal(t, err)
	}
}
