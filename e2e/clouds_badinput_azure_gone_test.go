package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Azure cannot be reached: that is said, nothing was sent, and once it can be the very
// same command finishes.
func TestAzureIsGone(t *testing.T) {
	t.Parallel()
	c, back := mortalAzure(t)
	said := bad{code: 1, says: []string{"unavailable", "nothing was sent; check the target's vault and authority, and the network, and try again"}}
	fatal(t, c.azure.Close())
	for _, target := range []string{"vault", "pool"} {
		said.explained(t, c.run(t, importAt(target, "gone-"+target, "ec-p384")...))
	}
	back(t)
	for _, target := range []string{"vault", "pool"} {
		c.must(t, importAt(target, "gone-"+target, "ec-p384")...)
		c.holdsOne(t, target, "gone-"+target)
	}
	c.must(t, "verify", "--all")
	c.auditHolds(t)
}

// It goes away while the KEK is made: the material stays in the token, and what comes
// back gets it.
func TestAzureGoesAway(t *testing.T) {
	t.Parallel()
	c, back := mortalAzure(t)
	id, err := c.azure.Admin().Add(t.Context(), faults.Rule{Kind: faults.Hold, Match: faults.Match{Action: "CreateKey"}})
	fatal(t, err)
	args := importAt("vault", "middle", "ec-p384")
	run := c.start(t, args...)
	if _, err := c.azure.Admin().Wait(soon(t), faults.CallQuery{Fault: id, State: faults.Held}); err != nil {
		t.Fatalf("no KEK was made: %v: %s", err, run.wait())
	}
	fatal(t, c.azure.Close())
	said := bad{code: 3, changed: "material ", says: []string{"make a KEK at", "operation resume"}, never: []string{"is at target"}}
	said.explained(t, run.wait())
	back(t)
	c.must(t, args...)
	c.holdsOne(t, "vault", "middle")
	c.must(t, "verify", "--all")
	c.auditHolds(t)
}

// mortalAzure is an enrolled site whose Azure can be closed, and started again: empty,
// at the same addresses, and knowing the same identity.
func mortalAzure(t *testing.T) (c *clouds, back func(*testing.T)) {
	t.Helper()
	if softtoken.SoftHSM.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.SoftHSM)
	}
	c = bareClouds(t, softtoken.SoftHSM)
	authority, err := emu.NewAuthority(time.Now())
	fatal(t, err)
	root, err := softtoken.Root()
	fatal(t, err)
	config := azureemu.Config{Now: time.Now, CA: authority, PoolDir: filepath.Join(root, ".cache", "wrapping-keys"), ReuseWrappingKeys: true}
	starts := func(t *testing.T) {
		t.Helper()
		c.azure, err = azureemu.Start(t.Context(), config)
		fatal(t, err)
		t.Cleanup(func() { check(t, c.azure.Close()) })
	}
	was := c.azure
	starts(t)
	identity := c.movesTo(t, was)
	entra, err := url.Parse(c.azure.AuthorityURL())
	fatal(t, err)
	config.Addr, config.EntraAddr = c.azure.Addr(), "127.0.0.1:"+entra.Port()
	config.Principals = []azureemu.Principal{{ClientID: identity.ClientID, ObjectID: identity.ObjectID, Certificate: string(identity.CertificatePEM)}}
	c.must(t, "init")
	c.must(t, "token", "enrol", "--environment", "test")
	c.must(t, "target", "enrol", "vault")
	c.must(t, "target", "enrol", "pool")
	return c, starts
}

// movesTo has the config name the Azure that there is now in place of another.
func (c *clouds) movesTo(t *testing.T, was *azureemu.Server) azureemu.Credentials {
	t.Helper()
	old, err := was.Credentials()
	fatal(t, err)
	now, err := c.azure.Credentials()
	fatal(t, err)
	text := strings.NewReplacer(
		was.URL(azureemu.DefaultPremium), c.azure.URL(azureemu.DefaultPremium), was.URL(azureemu.DefaultPool), c.azure.URL(azureemu.DefaultPool),
		was.AuthorityURL(), c.azure.AuthorityURL(), old.ClientID, now.ClientID,
	).Replace(string(c.state(t).config))
	fatal(t, os.WriteFile(c.config, []byte(text), 0o600))
	fatal(t, os.WriteFile(filepath.Join(c.dir, "azure.pem"), now.CertificatePEM, 0o600))
	fatal(t, os.WriteFile(filepath.Join(c.dir, "clouds-ca.pem"), c.azure.CAPEM(), 0o600))
	return now
}
