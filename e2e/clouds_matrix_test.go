package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// cell is one key spec for one purpose at one target, as doctor has it.
type cell struct {
	Spec, Target, Mechanism, Way, Purpose, Reason string
}

// providers of the targets, in the words of commands.
var providers = map[string]string{"aws": "aws", "gcp": "gcp", "vault": "azure", "pool": "azure"}

// mechanisms are all that the program knows.
var mechanisms = []string{"rsa-oaep-sha1", "rsa-oaep-sha256", "rsa-aes-key-wrap-sha1", "rsa-aes-key-wrap-sha256"}

// Doctor's matrix is the outcome: every key spec goes to every target for each purpose by just the
// mechanism that it names, by every other that a dry run says goes too, and by no
// other; what is refused is refused before anything reached a cloud.
func TestDoctorsMatrixIsTheOutcome(t *testing.T) {
	t.Parallel()
	for _, kind := range softtoken.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, kind)
			c.policyForEach(t)
			went := 0
			for _, cell := range c.fullMatrix(t) {
				went += c.tryCell(t, cell)
			}
			if went < 15 {
				t.Errorf("only %d ways went", went)
			}
			c.auditHolds(t)
		})
	}
}

// policyForEach adds a policy for each mechanism.
func (c *clouds) policyForEach(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(c.Config)
	fatal(t, err)
	var b strings.Builder
	b.Write(text)
	for _, m := range mechanisms {
		fmt.Fprintf(&b, "  - {name: by-%s, mechanisms: [%s]}\n", m, m)
	}
	fatal(t, os.WriteFile(c.Config, []byte(b.String()), 0o600))
}

func (c *clouds) fullMatrix(t *testing.T) []cell {
	t.Helper()
	var told struct{ Matrix []cell }
	fatal(t, json.Unmarshal([]byte(c.Run(t, "doctor", "--output", "json").Stdout), &told))
	pairs := map[[2]string]bool{}
	for _, cell := range told.Matrix {
		pairs[[2]string{cell.Spec, cell.Target}] = true
	}
	if len(pairs) != 15*len(e2etest.Targets()) || len(told.Matrix) <= len(pairs) {
		t.Fatalf("%d cells of %d key specs at targets", len(told.Matrix), len(pairs))
	}
	return told.Matrix
}

// tryCell tries every mechanism of a cell, and counts those that went.
func (c *clouds) tryCell(t *testing.T, told cell) (went int) {
	t.Helper()
	var ways []string
	for _, m := range mechanisms {
		name := strings.Join([]string{told.Spec, told.Target, m + told.Purpose}, "-")
		args := []string{"import", providers[told.Target], name, "--policy", "by-" + m, "--spec", told.Spec, "--target", told.Target, "--reason", "test", "--output", "json"}
		if told.Purpose != "" {
			args = append(args, "--purpose", told.Purpose)
		}
		planned := c.Run(t, append(slices.Clone(args), "--dry-run")...)
		calls := c.writesSoFar(t)
		out := c.Run(t, args...)
		switch {
		case (planned.Code == 0) != (out.Code == 0):
			t.Errorf("%s: the dry run says %s, and it came to %s", name, planned, out)
		case out.Code == 0:
			ways = append(ways, m)
			if p := c.placements(t, name)[told.Target]; p.Step != "active" {
				t.Errorf("%s: %+v", name, p)
			}
		case c.writesSoFar(t) != calls:
			t.Errorf("%s was refused after something was sent: %s", name, out)
		}
	}
	if (told.Mechanism != "") != (len(ways) > 0) || told.Mechanism != "" && !slices.Contains(ways, told.Mechanism) {
		t.Errorf("%s at %s: doctor says %q (%s), what went is %q", told.Spec, told.Target, told.Mechanism, told.Reason, ways)
	}
	return len(ways)
}

// writesSoFar counts the changing calls that reached any cloud.
func (c *clouds) writesSoFar(t *testing.T) (n int) {
	t.Helper()
	for _, cloud := range []string{"aws", "gcp", "azure"} {
		for _, call := range c.callsOf(t, cloud) {
			if slices.Contains(cloudWrites, call.Action) {
				n++
			}
		}
	}
	return n
}
