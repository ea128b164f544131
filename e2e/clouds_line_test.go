package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
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
		"signing":  {softtoken.SoftHSM, "ec-p384", "pairs", cloudTargets()},
		"database": {softtoken.SoftHSM, "aes-256", "secrets", []string{"aws", "gcp", "pool"}},
		"mail":     {softtoken.Kryoptic, "rsa-3072", "pairs", cloudTargets()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, line.kind)
			first := c.must(t, importsAll("payments/"+name, line.spec, line.policy)...)
			c.judgeAll(t, line.targets, "payments/"+name)
			again := c.must(t, importsAll("payments/"+name, line.spec, line.policy)...)
			if !contains(again.stderr, "nothing was done now") {
				t.Errorf("first %s\nagain %s", first, again)
			}
			c.must(t, "verify", "payments/"+name)
			c.must(t, "inventory")
			c.auditHolds(t)
		})
	}
}
