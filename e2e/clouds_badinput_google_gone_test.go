package e2e_test

import (
	"fmt"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Nobody is there: nothing is begun, and the same command finishes once Google is back.
func TestNobodyAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	r := c.relays(t)
	gone := func(t *testing.T, _ *clouds) { t.Helper(); r.closes(t) }
	back := func(t *testing.T, _ *clouds) { t.Helper(); r.opens(t) }
	c.refusesEach(t, []wrong{
		{target: "gcp", bad: bad{name: "import", code: 1, says: []string{"unavailable", "nothing was sent; check the target's endpoint and the network, and try again"}}, spoils: gone, heals: back, same: true},
		{target: "gcp", bad: bad{name: "enrol", code: 1, says: []string{"unavailable", "nothing was sent; check the target's endpoint and the network, and try again"}}, spoils: gone, heals: back, asks: says("target", "enrol", "gcp")},
	})
}

// Google goes away while a call is on its way there, or its answer on its way back: what
// may have happened is said, and the same command finishes with one version.
func TestGoneAtEveryCallToGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	r := c.relays(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	for _, action := range []string{
		"CreateCryptoKey", "GetImportJob", "ImportCryptoKeyVersion", "GetCryptoKeyVersion", "GetPublicKey", "AsymmetricSign", "UpdateCryptoKeyVersion",
	} {
		for _, when := range []faults.When{faults.Before, faults.After} {
			name := fmt.Sprintf("%s-%s", action, when)
			t.Run(name, func(t *testing.T) { c.goneAt(t, r, action, when, name) })
		}
	}
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

func (c *clouds) goneAt(t *testing.T, r *relay, action string, when faults.When, name string) {
	t.Helper()
	run, held := c.held(t, c.GCP.Admin(), faults.Rule{When: when, Match: faults.Match{Action: action}}, importAt("gcp", name, "ec-p384")...)
	r.closes(t)
	out := run.Wait()
	r.opens(t)
	held.Remove(t)
	bad{code: 3, changed: "material ", says: []string{"unavailable", "operation resume"}}.explained(t, out)
	c.Must(t, importAt("gcp", name, "ec-p384")...)
	c.holdsOne(t, "gcp", name)
}
