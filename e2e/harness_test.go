package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

func TestMain(m *testing.M) { os.Exit(e2etest.WithProgram(m.Run)) }

// site is one with one cloud, which is AWS.
type site struct {
	*e2etest.Site

	admin faults.Client // of AWS
}

// newSite is a site whose token and target are enrolled.
func newSite(t *testing.T, kind softtoken.Kind) *site {
	t.Helper()
	s := bareSite(t, kind)
	s.Enrol(t, "aws")
	return s
}

func bareSite(t *testing.T, kind softtoken.Kind) *site {
	t.Helper()
	return bareSiteOf(t, kind, siteOptions{})
}

// siteOptions are what few tests ask for.
type siteOptions struct {
	module string // in place of the token's own: "" is that
	reveal bool   // the emulator tells what it unwrapped
}

func bareSiteOf(t *testing.T, kind softtoken.Kind, o siteOptions) *site {
	t.Helper()
	s := &site{Site: e2etest.NewSite(t, kind, o.module)}
	s.StartAWS(t, o.reveal)
	s.admin = s.AWS.Admin()
	s.configure(t, "")
	return s
}

// configure writes the config for a module; "" is the shim.
func (s *site) configure(t *testing.T, module string) {
	t.Helper()
	s.Configure(t, e2etest.Config{Module: module, Policies: []string{"name: plain, targets: [aws]"}})
}

// held starts the program, and waits until a call to a cloud fits a rule that holds it.
func (s *site) held(t *testing.T, cloud faults.Client, rule faults.Rule, args ...string) (*e2etest.Run, e2etest.Held) {
	t.Helper()
	rule.Kind = faults.Hold
	run, held := s.StartHeld(t, cloud, rule, args...)
	if run.Over() {
		t.Fatalf("%+v was never reached: %s", rule, run.Wait())
	}
	return run, held
}

// kill ends a run as a power failure would.
func kill(t *testing.T, run *e2etest.Run) {
	t.Helper()
	if !run.Kill() {
		t.Fatalf("it was to be killed, and ended by itself: %s", run.Wait())
	}
}

func (s *site) imports(name, spec string) []string {
	return []string{"import", "aws", name, "--policy", "plain", "--spec", spec, "--reason", "test", "--output", "json"}
}

// judge holds what the emulator unwrapped against the test's own list of names:
// each has one key with one material, given to consumers by its alias; and there
// is nothing else.
func (s *site) judge(t *testing.T, names ...string) {
	t.Helper()
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	alive := map[string][]faults.KeyReport{}
	for _, k := range report.Keys {
		if !k.Pending {
			alive[k.Name] = append(alive[k.Name], k)
		}
	}
	for _, name := range names {
		keys := alive[name]
		if len(keys) != 1 || len(keys[0].Versions) != 1 || !keys[0].Versions[0].Present || len(keys[0].Aliases) != 1 || keys[0].Aliases[0] != "alias/"+name {
			t.Errorf("key %s: %s", name, e2etest.Show(keys))
		}
		delete(alive, name)
	}
	if len(alive) > 0 || len(report.Orphans) > 0 || len(report.Twins) > 0 {
		t.Errorf("besides what was asked for there are keys %s, orphans %v, twins %v", e2etest.Show(alive), report.Orphans, report.Twins)
	}
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

func contains(text, part string) bool { return strings.Contains(text, part) }

// settle changes how long the target is given to settle, and enrols it so.
func (s *site) settle(t *testing.T, d string) {
	t.Helper()
	text, err := os.ReadFile(s.Config)
	fatal(t, err)
	fatal(t, os.WriteFile(s.Config, []byte(strings.Replace(string(text), "settle: 1s", "settle: "+d, 1)), 0o600))
	if out := s.Run(t, "target", "enrol", "aws", "--reason", "settle "+d); out.Code != 0 {
		t.Fatal(out)
	}
}

// address is one of loopback for a listener that goes away and comes back to it.
func address(t *testing.T) string {
	t.Helper()
	port, err := emu.FreePort(t.Context())
	fatal(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}
