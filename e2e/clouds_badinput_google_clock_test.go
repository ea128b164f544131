package e2e_test

import (
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Google's clock is an hour off ours: imports do not mind.
func TestClockOffAtGoogle(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			c := newClouds(t, softtoken.SoftHSM)
			_, err := c.GCP.Admin().SetOffset(t.Context(), off)
			fatal(t, err)
			c.Must(t, importAt("gcp", "k", "ec-p384")...)
			c.holdsOne(t, "gcp", "k")
			c.Must(t, "verify", "k")
			c.auditHolds(t)
		})
	}
}

// Nor does a key whose making was answered too late, by a clock ahead. By a clock behind
// it looks older than our asking for it: somebody else may have made it, and a person
// has to look. With the mark taken off, it can be given up, and another name is free.
func TestClockOffWhenAnswerIsLostAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...) // makes the import job
	lost := func(name string, off time.Duration) e2etest.Outcome {
		_, err := c.GCP.Admin().SetOffset(t.Context(), off)
		fatal(t, err)
		faulty("gcp", faults.Rule{Kind: faults.Drop, When: faults.After, Match: faults.Match{Action: "CreateCryptoKey"}})(t, c)
		return c.Run(t, importAt("gcp", name, "ec-p384")...)
	}
	if out := lost("ahead", time.Hour); out.Code != 0 {
		t.Error(out)
	}
	c.holdsOne(t, "gcp", "ahead")
	out := lost("behind", -time.Hour)
	bad{code: 3, changed: "material ", says: []string{"before it was asked for", "operation abort"}}.explained(t, out)
	_, err := c.GCP.Admin().SetOffset(t.Context(), 0)
	fatal(t, err)
	c.takesBack(t, his, hisKey{marked: "it was made before the operation began"}, c.atGoogle(t, "behind").Ref)
	c.Must(t, importAt("gcp", "behind-2", "ec-p384")...)
	c.holdsOne(t, "gcp", "behind-2")
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}
