package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Once over quota at each call: it is waited out, and nothing comes of it.
func TestThrottledOnceAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	actions := []string{
		"GetKeyRing", "GetLocation", "CreateCryptoKey", "GetImportJob", "CreateImportJob", "ImportCryptoKeyVersion", "GetCryptoKeyVersion",
		"GetPublicKey", "AsymmetricSign", "UpdateCryptoKeyVersion",
	}
	for _, action := range actions {
		faulty("gcp", faults.Rule{Kind: faults.Throttle, Match: faults.Match{Action: action}, RetryAfter: 1})(t, c)
	}
	c.Must(t, importAt("gcp", "k", "ec-p384")...)
	rules, err := c.GCP.Admin().Rules(t.Context())
	fatal(t, err)
	for _, rule := range rules {
		if !rule.Spent() {
			t.Errorf("%s was never throttled", rule.Match.Action)
		}
	}
	if k := c.atGoogle(t, "k"); k.Commits["CreateCryptoKey"] != 1 || k.Commits["ImportCryptoKeyVersion"] != 1 {
		t.Errorf("there is %s", e2etest.Show(k))
	}
	c.holdsOne(t, "gcp", "k")
	c.Must(t, "verify", "k")
	c.auditHolds(t)
}

// For longer than anybody waits: it is said until when, and the same command goes on
// from there.
func TestThrottledForLongAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	busy := func(action string) func(*testing.T, *clouds) {
		return faulty("gcp", faults.Rule{Kind: faults.Throttle, Match: faults.Match{Action: action}, Count: -1, RetryAfter: 600})
	}
	says := []string{"throttled", "ResourceExhausted: Quota exceeded", "10m"}
	const made = looks + "|CreateCryptoKey|ImportCryptoKeyVersion"
	c.refusesEach(t, []wrong{
		{target: "gcp", bad: bad{name: "at the first look", code: 1, asked: looks, says: says}, spoils: busy("GetKeyRing"), same: true},
		{target: "gcp", bad: bad{name: "making the key", code: 3, changed: "material ", asked: made, says: says}, spoils: busy("CreateCryptoKey"), same: true},
		{target: "gcp", bad: bad{name: "importing", code: 3, changed: "is at target gcp (", asked: made, says: says}, spoils: busy("ImportCryptoKeyVersion"), same: true},
		{target: "gcp", bad: bad{name: "proving", code: 3, changed: "is at target gcp (", asked: made + "|UpdateCryptoKeyVersion", says: says}, spoils: busy("GetPublicKey"), same: true},
	})
}
