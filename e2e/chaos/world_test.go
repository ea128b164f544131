package chaos_test

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// TestMain builds the program.
func TestMain(m *testing.M) { os.Exit(e2etest.WithProgram(m.Run)) }

// world is a site with three clouds. What it was asked to bring is in its lists.
type world struct {
	*e2etest.Site

	kind  softtoken.Kind
	store string // path
	rows  []row
}

// options are what differs between worlds; the zero value settles after a second.
type options struct {
	settle string
	lag    faults.Seconds // until what was changed is seen
	shared bool           // others may import into Google's ring
	store  string         // directory of the store; "" is the world's own
}

// newWorld is one whose token and targets are enrolled.
func newWorld(t *testing.T, kind softtoken.Kind, o options) *world {
	t.Helper()
	w := &world{Site: e2etest.NewSite(t, kind, ""), kind: kind}
	w.store = filepath.Join(cmp.Or(o.store, w.Dir), "keyferry.db")
	w.StartAWS(t, false)
	w.StartGoogle(t)
	w.StartAzure(t, azureemu.Config{})
	w.Configure(t, e2etest.Config{Store: w.store, Settle: o.settle, Shared: o.shared, Policies: policies()})
	w.Enrol(t, e2etest.Targets()...)
	fatal(t, w.AWS.Admin().Configure(t.Context(), awsemu.Change{Settings: &awsemu.Settings{HiddenFor: o.lag}}))
	fatal(t, w.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{JobFor: o.lag, ImportFor: o.lag}}))
	return w
}

// policies of the lists; what a row goes to is also in the test's own hands, see rowOf.
func policies() []string {
	return []string{"name: macs, targets: [aws, gcp]", "name: secrets, targets: [aws, gcp, pool]", "name: pairs, targets: [aws, gcp, vault, pool]"}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
