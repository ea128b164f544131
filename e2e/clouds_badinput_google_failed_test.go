package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// swapsKey has Google show a wrapping key that is not the import job's: what comes
// under it cannot be unwrapped.
func (c *clouds) swapsKey(t *testing.T) {
	t.Helper()
	faulty("gcp", faults.Rule{Kind: faults.Lie, Match: faults.Match{Action: "GetImportJob"}, Count: -1})(t, c)
}

// Google accepts an import and cannot finish it: its reason is told, the version there is
// spent, and the operation can be taken back; the name cannot be used again.
func TestImportFailsAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	before := c.state(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...) // makes the import job
	c.swapsKey(t)
	args := importAt("gcp", "k", "ec-p384")
	out := c.Run(t, args...)
	bad{code: 3, changed: "is at target gcp (", says: []string{"Google accepted the import and could not finish it: The key material in the import request couldn't be unwrapped or wasn't formatted correctly", "(failed)", "the version there is spent", "operation abort"}}.explained(t, out)
	c.cured(t, before)
	if again := c.Run(t, args...); again.Code == 0 || len(c.atGoogle(t, "k").Versions) != 0 {
		t.Errorf("again: %s, there is %s", again, e2etest.Show(c.atGoogle(t, "k")))
	}
	if out := c.Run(t, "verify", "k"); out.Code == 0 {
		t.Errorf("it verifies: %s", out)
	}
	c.Must(t, "operation", "abort", c.unfinished(t), "--reason", "Google could not finish it", "--yes")
	c.Must(t, importAt("gcp", "k-2", "ec-p384")...)
	c.holdsOne(t, "gcp", "k-2")
	c.Must(t, "verify", "k-2")
	c.auditHolds(t)
}

// Google refuses it at once: nothing is there, and the same command finishes.
func TestImportRefusedAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	before := c.state(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{ImportErrors: gcpemu.ImportRefused}}))
	c.swapsKey(t)
	args := importAt("gcp", "k", "ec-p384")
	out := c.Run(t, args...)
	bad{code: 3, changed: "is at target gcp (", says: []string{"rejected", "InvalidArgument: "}}.explained(t, out)
	if k := c.atGoogle(t, "k"); len(k.Versions) != 0 || k.State != "" {
		t.Errorf("there is %s", e2etest.Show(k))
	}
	c.cured(t, before)
	c.Must(t, args...)
	c.holdsOne(t, "gcp", "k")
	c.Must(t, "verify", "k")
	c.auditHolds(t)
}

// It takes longer than the target is given to settle: the import stands, and the same
// command finds it done.
func TestImportPendsAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	before := c.state(t)
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{ImportFor: 3600}}))
	args := importAt("gcp", "k", "ec-p384")
	bad{code: 3, changed: "is at target gcp (", says: []string{"see the import", "it is importing after 1s"}}.explained(t, c.Run(t, args...))
	bad{code: 3, changed: "is at target gcp (", says: []string{"see the import", "it is importing after 1s"}}.explained(t, c.Run(t, args...))
	_, err := c.GCP.Admin().Advance(t.Context(), beyondJob)
	fatal(t, err)
	c.Must(t, args...)
	c.holdsOne(t, "gcp", "k")
	c.cured(t, before)
	c.Must(t, "verify", "k")
	c.auditHolds(t)
}
