package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Azure cannot be reached: that is said, nothing was sent, and once it can be the very
// same command finishes.
func TestAzureIsGone(t *testing.T) {
	t.Parallel()
	c, back := mortalAzure(t)
	said := bad{code: 1, says: []string{"unavailable", "nothing was sent; check the target's vault and authority, and the network, and try again"}}
	fatal(t, c.Azure.Close())
	for _, target := range []string{"vault", "pool"} {
		said.explained(t, c.Run(t, importAt(target, "gone-"+target, "ec-p384")...))
	}
	back(t)
	for _, target := range []string{"vault", "pool"} {
		c.Must(t, importAt(target, "gone-"+target, "ec-p384")...)
		c.holdsOne(t, target, "gone-"+target)
	}
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// It goes away while the KEK is made: the material stays in the token, and what comes
// back gets it.
func TestAzureGoesAway(t *testing.T) {
	t.Parallel()
	c, back := mortalAzure(t)
	args := importAt("vault", "middle", "ec-p384")
	run, _ := c.held(t, c.Azure.Admin(), faults.Rule{Match: faults.Match{Action: "CreateKey"}}, args...)
	fatal(t, c.Azure.Close())
	said := bad{code: 3, changed: "material ", says: []string{"make a KEK at", "operation resume"}, never: []string{"is at target"}}
	said.explained(t, run.Wait())
	back(t)
	c.Must(t, args...)
	c.holdsOne(t, "vault", "middle")
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// mortalAzure is an enrolled site whose Azure can be closed, and started again: empty,
// at the same addresses, and knowing the same identity.
func mortalAzure(t *testing.T) (c *clouds, back func(*testing.T)) {
	t.Helper()
	c = bareClouds(t, softtoken.SoftHSM)
	config, was := azureemu.Config{Addr: address(t), EntraAddr: address(t)}, c.Azure
	starts := func(t *testing.T) { t.Helper(); c.StartAzure(t, config) }
	starts(t)
	identity := c.movesTo(t, was)
	config.Principals = []azureemu.Principal{{ClientID: identity.ClientID, ObjectID: identity.ObjectID, Certificate: string(identity.CertificatePEM)}}
	c.Enrol(t, "vault", "pool")
	return c, starts
}

// movesTo has the config name the Azure that there is now in place of another.
func (c *clouds) movesTo(t *testing.T, was *azureemu.Server) azureemu.Credentials {
	t.Helper()
	old, err := was.Credentials()
	fatal(t, err)
	now, err := c.Azure.Credentials()
	fatal(t, err)
	text := strings.NewReplacer(
		was.URL(azureemu.DefaultPremium), c.Azure.URL(azureemu.DefaultPremium), was.URL(azureemu.DefaultPool), c.Azure.URL(azureemu.DefaultPool),
		was.AuthorityURL(), c.Azure.AuthorityURL(), old.ClientID, now.ClientID,
	).Replace(string(c.state(t).config))
	fatal(t, os.WriteFile(c.Config, []byte(text), 0o600))
	fatal(t, os.WriteFile(filepath.Join(c.Dir, "azure.pem"), now.CertificatePEM, 0o600))
	return now
}
