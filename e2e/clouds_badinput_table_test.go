package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// wrong is one way in which a site of three clouds is wrong, what the program is to say
// of it, and what may arrive where.
type wrong struct {
	bad // its args and spoil are not used

	target string // gcp, vault or pool
	spoils func(*testing.T, *clouds)
	asks   func(name string) []string // what is run; nil is an import at the target
	same   bool                       // healed, the very same command finishes; else an import does
	heals  func(*testing.T, *clouds)
}

// looks are the actions of both clouds that only look, for bad.asked.
const looks = "Get.*|List.*|Challenge|Discover|Token.*"

// importAt is the command that brings a key to one target.
func importAt(target, name, spec string, flags ...string) []string {
	provider := "azure"
	if target == "gcp" {
		provider = "gcp"
	}
	return append([]string{"import", provider, name, "--target", target, "--spec", spec, "--reason", "test", "--output", "json"}, flags...)
}

// asksFor is an import at a target that is asked for otherwise.
func asksFor(target, spec string, flags ...string) func(string) []string {
	return func(name string) []string { return importAt(target, name, spec, flags...) }
}

func says(args ...string) func(string) []string {
	return func(string) []string { return args }
}

// refusesEach goes through a table on one site: each is refused in the right words,
// nothing arrives that should not, and once it is healed an import finishes.
func (c *clouds) refusesEach(t *testing.T, table []wrong) {
	t.Helper()
	for i, w := range table {
		name := fmt.Sprintf("wrong-%d", i)
		t.Run(w.name, func(t *testing.T) { c.refusesOne(t, name, w) })
	}
	c.auditHolds(t)
	c.Must(t, "verify", "--all")
}

func (c *clouds) refusesOne(t *testing.T, name string, w wrong) {
	t.Helper()
	before := c.state(t)
	if w.spoils != nil {
		w.spoils(t, c)
	}
	args := importAt(w.target, name, "ec-p384")
	if w.asks != nil {
		args = w.asks(name)
	}
	sent, held := c.logs(t), c.holdings(t)
	out := c.Run(t, args...)
	w.explained(t, out)
	for cloud, calls := range c.logs(t) {
		w.arrives(t, cloud, calls[len(sent[cloud]):])
	}
	if w.changed == "" && c.holdings(t) != held {
		t.Errorf("nothing was to arrive; before %s\nnow %s", held, c.holdings(t))
	}
	c.cured(t, before)
	if w.heals != nil {
		w.heals(t, c)
	}
	if !w.same {
		args = importAt(w.target, name, "ec-p384")
	}
	c.Must(t, args...)
	c.holdsOne(t, w.target, name)
}

// arrives holds what came to a cloud against what may: at the target's own what is
// said, and at all others nothing.
func (w wrong) arrives(t *testing.T, cloud string, calls []faults.CallState) {
	t.Helper()
	asked := w.asked
	if cloud != cloudName(w.target) {
		asked = ""
	}
	allowed := regexp.MustCompile("^(?:" + asked + ")$")
	for _, call := range calls {
		if asked == "" || !allowed.MatchString(call.Action) {
			t.Errorf("%s %s arrived", cloud, call.Action)
		}
	}
}

func cloudName(target string) string {
	switch target {
	case "gcp", "aws":
		return target
	default:
		return "azure"
	}
}

func (c *clouds) logs(t *testing.T) map[string][]faults.CallState {
	t.Helper()
	out := map[string][]faults.CallState{}
	for cloud := range c.Admins() {
		out[cloud] = c.callsOf(t, cloud)
	}
	return out
}

// holdings are all versions at all clouds, as text.
func (c *clouds) holdings(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, cloud := range []string{"aws", "gcp", "azure"} {
		report, err := c.Admins()[cloud].Report(t.Context())
		fatal(t, err)
		for _, k := range report.Keys {
			fmt.Fprintf(&out, "%s %s %v\n", k.Ref, k.State, k.Versions)
		}
	}
	return out.String()
}

// holdsOne: what a name is placed at holds one version, with material.
func (c *clouds) holdsOne(t *testing.T, target, name string) {
	t.Helper()
	p, ok := c.placements(t, name)[target]
	if !ok || p.Step != "active" {
		t.Errorf("%s at %s is on record as %+v", name, target, p)
		return
	}
	if c.arrived(t, target, p) == "" {
		t.Errorf("%s at %s: %+v", name, target, p)
	}
}

// cured puts everything back that is wrong in most cases.
func (c *clouds) cured(t *testing.T, before state) {
	t.Helper()
	c.healed(t, before)
	for _, admin := range []faults.Client{c.GCP.Admin(), c.Azure.Admin()} {
		fatal(t, admin.Remove(t.Context(), ""))
		_, err := admin.SetOffset(t.Context(), 0)
		fatal(t, err)
	}
	credentials, err := c.Azure.Credentials()
	fatal(t, err)
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Settings: &gcpemu.Settings{}, Principals: []gcpemu.Principal{{Email: c.GCP.Email()}}}))
	fatal(t, c.Azure.Admin().Configure(t.Context(), azureemu.Change{
		Settings: &azureemu.Settings{}, Principals: []azureemu.Principal{{ClientID: credentials.ClientID}},
		Vaults: []azureemu.Vault{{Name: azureemu.DefaultPremium, Mode: azureemu.Premium}, {Name: azureemu.DefaultPool, Mode: azureemu.HSM}},
	}))
}

// rewrites replaces words of the config, once.
func rewrites(old, with string) func(*testing.T, *clouds) {
	return func(t *testing.T, c *clouds) { t.Helper(); edit(old, with)(t, c.site) }
}

// rewritesAfter does so in the part that follows a line, which begins a target.
func rewritesAfter(line, old, with string) func(*testing.T, *clouds) {
	return func(t *testing.T, c *clouds) {
		t.Helper()
		before, after, ok := strings.Cut(string(c.state(t).config), line)
		if !ok || !strings.Contains(after, old) {
			t.Fatalf("after %q there is no %q", line, old)
		}
		fatal(t, os.WriteFile(c.Config, []byte(before+line+strings.Replace(after, old, with, 1)), 0o600))
	}
}

// faulty breaks calls to the cloud of a target.
func faulty(target string, rule faults.Rule) func(*testing.T, *clouds) {
	return func(t *testing.T, c *clouds) {
		t.Helper()
		_, err := c.Cloud(target).Add(t.Context(), rule)
		fatal(t, err)
	}
}

// without takes a file of the site away for a while; the other puts it back.
func without(name string) (spoils, heals func(*testing.T, *clouds)) {
	move := func(from, to string) func(*testing.T, *clouds) {
		return func(t *testing.T, c *clouds) {
			t.Helper()
			fatal(t, os.Rename(filepath.Join(c.Dir, from), filepath.Join(c.Dir, to)))
		}
	}
	return move(name, name+".gone"), move(name+".gone", name)
}
