package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// beyondJob is longer than an import job lives.
const beyondJob = 73 * time.Hour

// The import job ends while the import under it is on its way, or held back after it
// arrived: the material is wrapped again for another job, or was there.
func TestJobEndsDuringImport(t *testing.T) {
	t.Parallel()
	for _, when := range []faults.When{faults.Before, faults.After} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s killed %v", when, killed), func(t *testing.T) {
				t.Parallel()
				c := newClouds(t, softtoken.SoftHSM)
				his := c.stranger(t)
				run, held := c.heldAtGoogle(t, when, "ImportCryptoKeyVersion", "k")
				_, err := c.GCP.Admin().Advance(t.Context(), beyondJob)
				fatal(t, err)
				c.goesOn(t, run, held, killed, importAt("gcp", "k", "ec-p384"))
				c.oneOfJobs(t, his, map[faults.When]int{faults.Before: 2, faults.After: 1}[when])
			})
		}
	}
}

// It ends while it is waited for: another is made.
func TestJobEndsBeforeItIsActive(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{JobReads: 1}}))
	admin := c.GCP.Admin()
	second := faults.Rule{Match: faults.Match{Action: "GetImportJob"}, Nth: 2} // the first finds none
	run, held := c.held(t, admin, second, importAt("gcp", "k", "ec-p384")...)
	_, err := admin.Advance(t.Context(), beyondJob)
	fatal(t, err)
	c.goesOn(t, run, held, false, nil)
	c.oneOfJobs(t, his, 2)
}

// oneOfJobs: there are so many import jobs, and the key has one version, which holds.
func (c *clouds) oneOfJobs(t *testing.T, his stranger, want int) {
	t.Helper()
	jobs := 0
	for _, err := range his.ListImportJobs(t.Context(), &kmspb.ListImportJobsRequest{Parent: gcpemu.DefaultKeyRing}).All() {
		fatal(t, err)
		jobs++
	}
	if jobs != want {
		t.Errorf("%d import jobs, want %d", jobs, want)
	}
	c.holdsOne(t, "gcp", "k")
	c.Must(t, "verify", "k")
	c.auditHolds(t)
}

// It cannot be looked for, made or waited for: nothing is wrapped, and the same command
// goes on once that is over.
func TestBadJob(t *testing.T) {
	t.Parallel()
	slow := func(t *testing.T, c *clouds) {
		t.Helper()
		fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{JobFor: 3600}}))
	}
	later := func(t *testing.T, c *clouds) {
		t.Helper()
		_, err := c.GCP.Admin().Advance(t.Context(), 2*time.Hour)
		fatal(t, err)
	}
	denied := func(action string) func(*testing.T, *clouds) {
		return faulty("gcp", faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: action}, Count: -1})
	}
	for _, w := range []wrong{
		{spoils: denied("GetImportJob"), bad: bad{name: "denied to look for it", says: []string{"PermissionDenied", "grant cloudkms.importJobs.get"}}},
		{spoils: denied("CreateImportJob"), bad: bad{name: "denied to make it", says: []string{"PermissionDenied", "grant cloudkms.importJobs.create"}}},
		{spoils: slow, heals: later, bad: bad{name: "not active in time", says: []string{"wait for import job", "it is not there yet"}}},
	} {
		w.target, w.code, w.changed, w.asked, w.same = "gcp", 3, "is at target gcp (intended)", looks+"|CreateCryptoKey|CreateImportJob", true
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			newClouds(t, softtoken.SoftHSM).refusesEach(t, []wrong{w}) // its first job
		})
	}
}
