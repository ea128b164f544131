package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// cloudCall is a call of a line to one of the clouds.
type cloudCall struct {
	cloud string // aws, gcp or azure
	call
}

// cloudWrites are the calls that change something, in each cloud's words.
var cloudWrites = []string{
	"CreateKey", "ImportKeyMaterial", "CreateAlias", "GetParametersForImport",
	"CreateCryptoKey", "CreateImportJob", "ImportCryptoKeyVersion", "UpdateCryptoKeyVersion", "UpdateCryptoKeyPrimaryVersion",
	"ImportKey", "UpdateKey",
}

// callsOf is the log of one cloud.
func (c *clouds) callsOf(t *testing.T, cloud string) []faults.CallState {
	t.Helper()
	calls, err := c.Admins()[cloud].Calls(t.Context(), faults.CallQuery{})
	fatal(t, err)
	return calls
}

// lineCalls are those of an import at every target that nothing disturbs: all that
// change something, and of the others the first of each name.
func (c *clouds) lineCalls(t *testing.T, args []string) []cloudCall {
	t.Helper()
	before := map[string]int{}
	for cloud := range c.Admins() {
		before[cloud] = len(c.callsOf(t, cloud))
	}
	c.Must(t, args...)
	var out []cloudCall
	for _, cloud := range []string{"aws", "gcp", "azure"} {
		var names []string
		for _, call := range c.callsOf(t, cloud)[before[cloud]:] {
			if call.Service != "sts" && call.Service != "entra" && call.Service != "token" {
				names = append(names, call.Action)
			}
		}
		for _, one := range numbered(names, func(action string) bool { return slices.Contains(cloudWrites, action) }) {
			if one.write || one.nth == 1 {
				out = append(out, cloudCall{cloud, one})
			}
		}
	}
	return out
}

// Killed while any call of a three-cloud import is under way, before or after its
// commit, and started again: one version at each target, of one material.
func TestKilledAtEveryCallOfThreeClouds(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		spec, policy string
		targets      []string
		least        int
	}{
		{"ec-p384", "pairs", e2etest.Targets(), 30},
		{"aes-256", "secrets", []string{"aws", "gcp", "pool"}, 25},
	} {
		t.Run(line.spec, func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, softtoken.SoftHSM)
			names := []string{"warm", "undisturbed"}
			c.Must(t, importsAll("warm", line.spec, line.policy)...) // import job and KEK are there from now on
			for i, one := range c.lineCalls(t, importsAll("undisturbed", line.spec, line.policy)) {
				for _, when := range sides(one.call) {
					name := fmt.Sprintf("killed-%d-%s", i, when)
					c.killAtCloud(t, one, when, importsAll(name, line.spec, line.policy))
					names = append(names, name)
				}
			}
			if len(names) < line.least {
				t.Errorf("the line was killed at %d places only", len(names)-2)
			}
			c.judgeAll(t, line.targets, names...)
			c.auditHolds(t)
		})
	}
}

// Killed while the first import job or KEK is made: another is made, and used.
func TestKilledWhileWrappingKeysAreMade(t *testing.T) {
	t.Parallel()
	for cloud, action := range map[string]string{"gcp": "CreateImportJob", "azure": "CreateKey"} {
		for _, when := range []faults.When{faults.Before, faults.After} {
			t.Run(fmt.Sprintf("%s/%s", cloud, when), func(t *testing.T) {
				t.Parallel()
				c := newClouds(t, softtoken.SoftHSM)
				c.killAtCloud(t, cloudCall{cloud, call{name: action, nth: 1}}, when, importsAll("k", "ec-p384", "pairs"))
				c.judgeAll(t, e2etest.Targets(), "k")
				c.auditHolds(t)
			})
		}
	}
}

// killAtCloud kills a command while a call to one cloud is held, and runs it again.
func (s *site) killAtCloud(t *testing.T, c cloudCall, when faults.When, args []string) {
	t.Helper()
	run, held := s.held(t, s.Admins()[c.cloud], faults.Rule{When: when, Match: faults.Match{Action: c.name}, Nth: c.nth}, args...)
	kill(t, run)
	held.Remove(t)
	if out := s.Run(t, args...); out.Code != 0 {
		t.Fatalf("killed at %s %s number %d, %s its commit, and started again: %s", c.cloud, c.name, c.nth, when, out)
	}
}
