package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
)

// clouds is a site whose keys go to three clouds: the targets of [e2etest.Targets].
type clouds struct{ *site }

// newClouds is one whose token and targets are enrolled.
func newClouds(t *testing.T, kind softtoken.Kind) *clouds {
	t.Helper()
	c := bareClouds(t, kind)
	c.Enrol(t, e2etest.Targets()...)
	return c
}

func bareClouds(t *testing.T, kind softtoken.Kind) *clouds {
	t.Helper()
	c := &clouds{bareSite(t, kind)}
	c.StartGoogle(t)
	c.StartAzure(t, azureemu.Config{})
	c.Configure(t, e2etest.Config{Policies: []string{
		"name: plain, targets: [aws]", "name: pairs, targets: [aws, gcp, vault, pool]", "name: secrets, targets: [aws, gcp, pool]",
	}})
	return c
}

// importsAll is the command that brings a key to every target of a policy.
func importsAll(name, spec, policy string) []string {
	return []string{"import", "all", name, "--policy", policy, "--spec", spec, "--reason", "test", "--output", "json"}
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
	fatal(t, json.Unmarshal([]byte(c.Must(t, "key", "show", name, "--output", "json").Stdout), &view))
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
	report, err := c.Cloud(target).Report(t.Context())
	fatal(t, err)
	for _, k := range report.Keys {
		if k.Ref != p.Version.Key.ID {
			continue
		}
		if len(k.Versions) != 1 || !k.Versions[0].Present || target != "aws" && k.Versions[0].ID != p.Version.ID {
			t.Errorf("at %s: %s", target, e2etest.Show(k))
			return ""
		}
		return e2etest.Identity(k.Versions[0])
	}
	t.Errorf("%s has no %s: %s", target, p.Version.Key.ID, e2etest.Show(report.Keys))
	return ""
}

// nothingElse: no orphan, no twin inside one cloud, no key that was not asked for.
func (c *clouds) nothingElse(t *testing.T, names []string) {
	t.Helper()
	for _, admin := range c.Admins() {
		report, err := admin.Report(t.Context())
		fatal(t, err)
		for _, twin := range report.Twins {
			if slices.Compact(slices.Sorted(slices.Values(twin.Keys)))[0] != "" && !e2etest.AcrossVaults(twin) {
				t.Errorf("twin %s", e2etest.Show(twin))
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
