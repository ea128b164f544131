package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// clouds is a site whose keys go to three clouds: the targets aws, gcp, vault (Azure
// Key Vault Premium) and pool (Managed HSM).
type clouds struct {
	*site
	gcp   *gcpemu.Server
	azure *azureemu.Server
}

// newClouds is one whose token and targets are enrolled.
func newClouds(t *testing.T, kind softtoken.Kind) *clouds {
	t.Helper()
	if kind.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, kind)
	}
	c := bareClouds(t, kind)
	c.must(t, "init")
	c.must(t, "token", "enrol", "--environment", "test")
	for _, target := range cloudTargets() {
		c.must(t, "target", "enrol", target)
	}
	return c
}

func cloudTargets() []string { return []string{"aws", "gcp", "vault", "pool"} }

func bareClouds(t *testing.T, kind softtoken.Kind) *clouds {
	t.Helper()
	c := &clouds{site: bareSite(t, kind)}
	root, err := softtoken.Root()
	fatal(t, err)
	pool := filepath.Join(root, ".cache", "wrapping-keys")
	ca, err := emu.NewAuthority(time.Now())
	fatal(t, err)
	c.gcp, err = gcpemu.Start(t.Context(), gcpemu.Config{Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, c.gcp.Close()) })
	c.azure, err = azureemu.Start(t.Context(), azureemu.Config{Now: time.Now, CA: ca, PoolDir: pool, ReuseWrappingKeys: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, c.azure.Close()) })
	c.addTargets(t, ca.PEM())
	return c
}

// addTargets writes credentials, and a config that names all four targets.
func (c *clouds) addTargets(t *testing.T, ca []byte) {
	t.Helper()
	azure, err := c.azure.Credentials()
	fatal(t, err)
	google, err := c.gcp.ServiceAccountJSON()
	fatal(t, err)
	for name, text := range map[string][]byte{"clouds-ca.pem": ca, "google.json": google, "azure.pem": azure.CertificatePEM} {
		fatal(t, os.WriteFile(filepath.Join(c.dir, name), text, 0o600))
	}
	text, err := os.ReadFile(c.config)
	fatal(t, err)
	before, _, _ := strings.Cut(string(text), "policies:")
	fatal(t, os.WriteFile(c.config, []byte(before+c.moreTargets(azure)), 0o600))
}

func (c *clouds) moreTargets(azure azureemu.Credentials) string {
	at := func(name, kind, vault string) string {
		return fmt.Sprintf(`  - name: %s
    provider: azure
    environment: test
    tenant: %s
    vault: %s
    kind: %s
    authority: %s
    credentials: {kind: certificate, client_id: %s, certificate_file: azure.pem}
    ca_file: clouds-ca.pem
    settle: 1s
    poll: 1s
    quotas: {all: 10000}
`, name, azure.Tenant, c.azure.URL(vault), kind, c.azure.AuthorityURL(), azure.ClientID)
	}
	return fmt.Sprintf(`  - name: gcp
    provider: gcp
    environment: test
    project: %s
    location: europe-west3
    ring: keyferry
    endpoint: https://%s
    token_endpoint: %s
    credentials_file: google.json
    ca_file: clouds-ca.pem
    sole_writer: true
    settle: 1s
    poll: 1s
    quotas: {all: 10000}
`, c.gcp.Project(), c.gcp.Addr(), c.gcp.TokenURL()) +
		at("vault", "vault", azureemu.DefaultPremium) + at("pool", "managed-hsm", azureemu.DefaultPool) + `policies:
  - {name: plain, targets: [aws]}
  - {name: pairs, targets: [aws, gcp, vault, pool]}
  - {name: secrets, targets: [aws, gcp, pool]}
`
}

func (c *clouds) must(t *testing.T, args ...string) outcome {
	t.Helper()
	out := c.run(t, args...)
	if out.code != 0 {
		t.Fatalf("keyferry %s: %s", strings.Join(args, " "), out)
	}
	return out
}

// importsAll is the command that brings a key to every target of a policy.
func importsAll(name, spec, policy string) []string {
	return []string{"import", "all", name, "--policy", policy, "--spec", spec, "--reason", "test", "--output", "json"}
}

// cloudOf is the emulator of a target.
func (c *clouds) cloudOf(target string) faults.Client {
	switch target {
	case "gcp":
		return c.gcp.Admin()
	case "vault", "pool":
		return c.azure.Admin()
	default:
		return c.admin
	}
}

// placed is one row of key show.
type placed struct {
	Target   string
	Step     string
	Consumer string
	Remote   string
	Version  struct {
		Key struct{ ID string }
		ID  string
	}
	Proof struct{ Level, Detail string }
}

// placements of a key on record.
func (c *clouds) placements(t *testing.T, name string) map[string]placed {
	t.Helper()
	var view struct{ Placements []placed }
	fatal(t, json.Unmarshal([]byte(c.must(t, "key", "show", name, "--output", "json").stdout), &view))
	out := map[string]placed{}
	for _, p := range view.Placements {
		out[p.Target] = p
	}
	return out
}

// judgeAll holds what the emulators unwrapped against the test's own list: at each
// target of the policy each key has one version, enabled, with the same material at
// all of them, and there is nothing else.
func (c *clouds) judgeAll(t *testing.T, targets []string, names ...string) {
	t.Helper()
	count := map[string]int{}
	for _, name := range names {
		var identity []string
		for target, p := range c.placements(t, name) {
			if p.Step != "active" || p.Remote != "enabled" || p.Consumer == "" {
				t.Errorf("%s at %s is on record as %+v", name, target, p)
			}
			identity = append(identity, c.arrived(t, target, p))
			count[target]++
		}
		slices.Sort(identity)
		if same := slices.Compact(identity); len(same) != 1 || same[0] == "" {
			t.Errorf("%s is not the same everywhere: %q", name, same)
		}
	}
	for _, target := range targets {
		if count[target] != len(names) {
			t.Errorf("%d of %d keys are at %s", count[target], len(names), target)
		}
	}
	c.nothingElse(t, names)
}

// arrived is the identity of what a target holds: the public key's SHA-256, or that
// of a secret's bytes.
func (c *clouds) arrived(t *testing.T, target string, p placed) string {
	t.Helper()
	report, err := c.cloudOf(target).Report(t.Context())
	fatal(t, err)
	for _, k := range report.Keys {
		if k.Ref != p.Version.Key.ID {
			continue
		}
		if len(k.Versions) != 1 || !k.Versions[0].Present || target != "aws" && k.Versions[0].ID != p.Version.ID {
			t.Errorf("at %s: %s", target, show(k))
			return ""
		}
		v := k.Versions[0]
		if v.PublicSHA256 != "" {
			return v.PublicSHA256
		}
		return v.SHA256
	}
	t.Errorf("%s has no %s: %s", target, p.Version.Key.ID, show(report.Keys))
	return ""
}

// nothingElse: no orphan, no twin inside one cloud, no key that was not asked for.
func (c *clouds) nothingElse(t *testing.T, names []string) {
	t.Helper()
	for _, admin := range []faults.Client{c.admin, c.gcp.Admin(), c.azure.Admin()} {
		report, err := admin.Report(t.Context())
		fatal(t, err)
		for _, twin := range report.Twins {
			if slices.Compact(slices.Sorted(slices.Values(twin.Keys)))[0] != "" && !acrossVaults(twin) {
				t.Errorf("twin %s", show(twin))
			}
		}
		alive := 0
		for _, k := range report.Keys {
			if !k.Pending && k.Origin != "provider" && len(k.Versions) > 0 {
				alive++
			}
		}
		if len(report.Orphans) > 0 || alive > 2*len(names) {
			t.Errorf("orphans %v, %d keys of %d", report.Orphans, alive, len(names))
		}
	}
}

// acrossVaults: the same material in a vault and in a pool is what was asked for.
func acrossVaults(twin faults.Twin) bool {
	return len(twin.Keys) == 2 && strings.Contains(twin.Keys[0]+twin.Keys[1], ".vault.") && strings.Contains(twin.Keys[0]+twin.Keys[1], ".managedhsm.")
}
