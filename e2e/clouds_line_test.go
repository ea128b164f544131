package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// One key at every target of a policy, in three clouds, by one command; again, it says
// so; taken back, nothing of it can be used anywhere.
func TestOneKeyInThreeClouds(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]struct {
		kind         softtoken.Kind
		spec, policy string
		targets      []string
	}{
		"signing":  {softtoken.SoftHSM, "ec-p384", "pairs", e2etest.Targets()},
		"database": {softtoken.SoftHSM, "aes-256", "secrets", []string{"aws", "gcp", "pool"}},
		"mail":     {softtoken.Kryoptic, "rsa-3072", "pairs", e2etest.Targets()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, line.kind)
			first := c.Must(t, importsAll("payments/"+name, line.spec, line.policy)...)
			c.judgeAll(t, line.targets, "payments/"+name)
			again := c.Must(t, importsAll("payments/"+name, line.spec, line.policy)...)
			if !contains(again.Stderr, "nothing was done now") {
				t.Errorf("first %s\nagain %s", first, again)
			}
			c.Must(t, "verify", "payments/"+name)
			c.Must(t, "inventory")
			c.auditHolds(t)
		})
	}
}

// An import that one cloud stops is gone on with by its operation, or taken back at all.
func TestAnImportThatOneCloudStops(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.Must(t, "operation", "resume", c.stopped(t, "resumed"), "--reason", "test")
	c.judgeAll(t, e2etest.Targets(), "resumed")
	before := c.usable(t)
	c.Must(t, "operation", "abort", c.stopped(t, "aborted"), "--reason", "test")
	for target, p := range c.placements(t, "aborted") {
		if p.Step != "abandoned" {
			t.Errorf("taken back, it is %s at %s", p.Step, target)
		}
	}
	if now := c.usable(t); !slices.Equal(now, before) {
		t.Errorf("usable were %q, and are %q", before, now)
	}
	c.auditHolds(t)
}

// stopped is an import that Azure stops, after all others have been staged.
func (c *clouds) stopped(t *testing.T, name string) (operation string) {
	t.Helper()
	id, err := c.Azure.Admin().Add(t.Context(), faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: "ImportKey"}, Count: -1})
	fatal(t, err)
	if out := c.Run(t, importsAll(name, "ec-p384", "pairs")...); out.Code != 3 || !contains(out.Stderr, "operation resume") {
		t.Fatal(out)
	}
	fatal(t, c.Azure.Admin().Remove(t.Context(), id))
	for target, p := range c.placements(t, name) {
		if p.Step == "active" {
			t.Errorf("%s was given to consumers at %s, and is not everywhere", name, target)
		}
	}
	return c.unfinished(t)
}

// usable are the keys with something in them that can be used, at all clouds.
func (c *clouds) usable(t *testing.T) []string {
	t.Helper()
	var refs []string
	for _, admin := range c.Admins() {
		report, err := admin.Report(t.Context())
		fatal(t, err)
		for _, k := range report.Keys {
			for _, v := range k.Versions {
				if !k.Pending && v.Present && !strings.Contains(v.State, "DESTROY") && !strings.HasPrefix(strings.ToLower(k.State), "disabled") {
					refs = append(refs, k.Ref+"/"+v.ID)
				}
			}
		}
	}
	slices.Sort(refs)
	return refs
}
