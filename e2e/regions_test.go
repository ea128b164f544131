package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// newRegions is a site with a target for primary keys, aws, and one for their replicas
// in another Region, west.
func newRegions(t *testing.T) *site {
	t.Helper()
	s := bareSite(t, softtoken.SoftHSM)
	text, err := os.ReadFile(s.Config)
	fatal(t, err)
	before, _, _ := strings.Cut(string(text), "policies:")
	more := fmt.Sprintf(`  - name: west
    provider: aws
    environment: test
    account: "%s"
    region: eu-west-1
    replica_of: aws
    endpoint: %s
    ca_file: %s
    settle: 1s
    poll: 1s
    quotas: {all: 10000}
policies:
  - {name: plain, targets: [west, aws]}
`, s.AWS.Account(), s.AWS.TLSURL(), filepath.Join(s.Dir, "ca.pem"))
	fatal(t, os.WriteFile(s.Config, []byte(before+more), 0o600))
	s.Enrol(t, "aws", "west")
	return s
}

// A primary and its replica are one placement set: the same material goes into each
// Region, the primary first. Killed while either key is made, or filled, and started
// again, there is one of each.
func TestAKeyInTwoRegions(t *testing.T) {
	t.Parallel()
	s := newRegions(t)
	names := []string{"undisturbed"}
	if out := s.Run(t, s.imports("undisturbed", "aes-256")...); out.Code != 0 {
		t.Fatal(out)
	}
	for _, c := range []call{{"CreateKey", 1, true}, {"ImportKeyMaterial", 1, true}, {"ReplicateKey", 1, true}, {"ImportKeyMaterial", 3, true}, {"CreateAlias", 2, true}} {
		for _, when := range sides(c) {
			name := fmt.Sprintf("%s-%d-%s", strings.ToLower(c.name), c.nth, when)
			s.killAt(t, c, when, s.imports(name, "aes-256"))
			names = append(names, name)
		}
	}
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	for _, name := range names {
		s.inBothRegions(t, report, name)
	}
	if len(report.Twins) > 0 || len(report.Orphans) > 0 {
		t.Errorf("twins %v, orphans %v", report.Twins, report.Orphans)
	}
	s.auditHolds(t)
}

func (s *site) inBothRegions(t *testing.T, report faults.Report, name string) {
	t.Helper()
	material := map[string]string{}
	for _, k := range report.Keys {
		if k.Name != name || k.Pending {
			continue
		}
		if len(k.Versions) != 1 || !k.Versions[0].Present || len(k.Aliases) != 1 || (k.ReplicaOf == "") != (k.Region == "eu-central-1") {
			t.Errorf("%s in %s: %s", name, k.Region, e2etest.Show(k))
			continue
		}
		if material[k.Region] != "" {
			t.Errorf("%s is twice in %s", name, k.Region)
		}
		material[k.Region] = k.Versions[0].SHA256
	}
	if len(material) != 2 || material["eu-central-1"] != material["eu-west-1"] {
		t.Errorf("%s has %v", name, material)
	}
}
