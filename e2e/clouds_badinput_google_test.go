package e2e_test

import (
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

const atGoogle = "  - name: gcp\n"

// What is wrong at Google, or with what its target says.
func TestBadGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	otherCA(t, c.site)
	gone, back := without("google.json")
	c.refusesEach(t, []wrong{
		{target: "gcp", bad: bad{name: "no credentials file", code: 2, says: []string{"google.json"}}, spoils: gone, heals: back, same: true},
		{target: "gcp", bad: bad{name: "ring that is not there", code: 1, asked: looks, says: []string{"keyRings/nowhere", "gcloud kms keyrings create nowhere"}}, spoils: rewrites("ring: keyferry", "ring: nowhere"), asks: says("target", "enrol", "gcp")},
		{target: "gcp", bad: bad{name: "location that is not there", code: 1, asked: looks, says: []string{"locations/mars1", "check the location (gcloud kms locations list"}}, spoils: rewrites("location: europe-west3", "location: mars1"), asks: says("target", "enrol", "gcp")},
		{target: "gcp", bad: bad{name: "location without an HSM", code: 1, asked: looks, says: []string{"europe-west99 has no HSMs", "use another location, or say protection: software"}}, spoils: withoutHSM, asks: says("target", "enrol", "gcp")},
		{target: "gcp", bad: bad{name: "another project than enrolled", code: 1, says: []string{`account is "another-project" in the config, "keyferry-emulator" was enrolled`}}, spoils: rewrites("project: keyferry-emulator", "project: another-project")},
		{target: "gcp", bad: bad{name: "another ring than enrolled", code: 1, says: []string{`ring is "other" in the config, "keyferry" was enrolled`}}, spoils: rewrites("ring: keyferry", "ring: other")},
		{target: "gcp", bad: bad{name: "another location than enrolled", code: 1, says: []string{`location is "europe-west1" in the config, "europe-west3" was enrolled`}}, spoils: rewrites("location: europe-west3", "location: europe-west1")},
		{target: "gcp", bad: bad{name: "another CA than enrolled", code: 1, says: []string{"ca", "was enrolled"}}, spoils: rewritesAfter(atGoogle, "ca.pem", "other.pem")},
		{target: "gcp", bad: bad{name: "unknown CA", code: 1, says: []string{"certificate", "nothing was sent"}}, spoils: rewritesAfter(atGoogle, "ca.pem", "other.pem"), asks: says("target", "enrol", "gcp")},
		{target: "gcp", bad: bad{name: "denied to look", code: 1, asked: looks, says: []string{"denied", "cloudkms.keyRings.get", "grant"}}, spoils: faulty("gcp", faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: "GetKeyRing"}, Count: -1}), same: true},
		{target: "gcp", bad: bad{name: "denied to make a key", code: 3, changed: "token", asked: looks + "|CreateCryptoKey", says: []string{"denied", "(permission cloudkms.cryptoKeys.create)", "grant"}}, spoils: faulty("gcp", faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: "CreateCryptoKey"}, Count: -1}), same: true},
		{target: "gcp", bad: bad{name: "P-521", code: 1, asked: looks, says: []string{"ec-p521", "Google Cloud KMS", "unsupported"}}, asks: asksFor("gcp", "ec-p521")},
		{target: "gcp", bad: bad{name: "a tag Google forbids", code: 2, says: []string{"Team"}}, asks: asksFor("gcp", "ec-p384", "--tag", "Team=Release")},
	})
}

// withoutHSM has the target be a ring, which is there, at a location that has none.
func withoutHSM(t *testing.T, c *clouds) {
	t.Helper()
	rewrites("location: europe-west3", "location: europe-west99")(t, c)
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{KeyRings: []string{"projects/keyferry-emulator/locations/europe-west99/keyRings/keyferry"}}))
}
