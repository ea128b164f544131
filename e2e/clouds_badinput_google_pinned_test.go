package e2e_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// pinnedField is a field of a target's config that its enrolment pins.
type pinnedField struct {
	name          string
	enrolled, now string                // now "" leaves it out
	asks          func(string) []string // where an import is refused for another reason first
	instead       string                // what is said where the config alone is refused
	anew          bool                  // enrolled anew, imports go on with it
}

// pinnedAtGoogle are those that [TestBadGoogle] does not change. Each that is enrolled
// anew stays so for those after it.
func pinnedAtGoogle(c *clouds) []pinnedField {
	const other, somebody = "https://127.0.0.1:1", "other@keyferry-emulator.iam.gserviceaccount.com"
	in := func(name string) string { return filepath.Join(c.Dir, name) }
	return []pinnedField{
		{name: "environment", enrolled: "test", now: "production", instead: "is not a Google endpoint for europe-west3, which production requires"},
		{name: "endpoint", enrolled: "https://" + c.GCP.Addr(), now: other},
		{name: "token_endpoint", enrolled: c.GCP.TokenURL(), now: other, instead: "is not sent to another token endpoint"},
		{name: "token_endpoint", enrolled: c.GCP.TokenURL(), instead: "no token of Google's is sent to anybody else"},
		{name: "proxy", enrolled: "nothing", now: "http://127.0.0.1:1"},
		{name: "attestation", enrolled: "nothing", now: "required", asks: says("verify", "wrong-0")},
		{name: "protection", enrolled: "nothing", now: "software", asks: says("verify", "wrong-0")},
		{name: "quota_project", enrolled: "nothing", now: "who-else-pays", anew: true},
		{name: "impersonate", enrolled: "nothing", now: somebody, anew: true},
		{name: "proof_impersonate", enrolled: "nothing", now: somebody, anew: true},
		{name: "credentials_file", enrolled: in("google.json"), now: in("same.json"), anew: true},
		{name: "sole_writer", enrolled: "true", anew: true},
		{name: "wrapping_key", enrolled: "nothing", now: "rsa-3072", anew: true},
		{name: "deletion_window", enrolled: "nothing", now: "7d", anew: true},
		{name: "key_name", enrolled: "nothing", now: "broker_{name}", anew: true},
		{name: "settle", enrolled: "1s", now: "2s", anew: true},
		{name: "poll", enrolled: "1s", now: "2s", anew: true},
	}
}

// Whatever a target's config says was pinned when it was enrolled.
func TestPinnedAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	file, err := os.ReadFile(filepath.Join(c.Dir, "google.json"))
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(c.Dir, "same.json"), file, 0o600))
	fatal(t, c.GCP.Admin().Configure(t.Context(), gcpemu.Change{Principals: []gcpemu.Principal{{Email: "other@keyferry-emulator.iam.gserviceaccount.com"}}}))
	var table []wrong
	for _, f := range pinnedAtGoogle(c) {
		table = append(table, f.changed())
	}
	c.refusesEach(t, table)
}

// changed is a change of the field after it was enrolled.
func (f pinnedField) changed() wrong {
	w := wrong{target: "gcp", spoils: setsAtGoogle(f.name, f.now), asks: f.asks, bad: bad{name: f.name + " " + filepath.Base(f.now), code: 1}}
	w.says = []string{f.name + ` is "` + f.now + `" in the config, "` + f.enrolled + `" was enrolled`, "keyferry target enrol"}
	if f.instead != "" {
		w.code, w.says = 2, []string{f.instead}
	}
	w.same = f.asks == nil
	if f.anew {
		w.heals = func(t *testing.T, c *clouds) {
			t.Helper()
			w.spoils(t, c)
			c.Must(t, "target", "enrol", "gcp", "--reason", "changed on purpose")
		}
	}
	return w
}

// Every field that the schema of the config allows a target at Google is in one of the
// two tables.
func TestAllPinnedAtGoogleAreTried(t *testing.T) {
	t.Parallel()
	tried := []string{"name", "provider", "project", "location", "ring", "ca_file", "quotas"} // quotas are not pinned: they say how fast, not where
	for _, f := range pinnedAtGoogle(bareClouds(t, softtoken.SoftHSM)) {
		tried = append(tried, f.name)
	}
	left := googleFields(t)
	if !slices.Contains(left, "sole_writer") {
		t.Fatalf("the schema was not understood: %v", left)
	}
	left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(tried, name) })
	if len(left) > 0 {
		t.Errorf("no test changes %v", left)
	}
}

// googleFields are a target's fields by the schema, less those that are not for Google.
func googleFields(t *testing.T) []string {
	t.Helper()
	type fields map[string]any
	var schema struct {
		Properties struct {
			Targets struct {
				Items struct {
					Properties fields
					AllOf      []struct {
						If struct {
							Properties struct{ Provider struct{ Const string } }
						}
						Then struct{ Properties fields }
					}
				}
			}
		}
	}
	root, err := softtoken.Root()
	fatal(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "keyferry.schema.json"))
	fatal(t, err)
	fatal(t, json.Unmarshal(text, &schema))
	target := schema.Properties.Targets.Items
	for _, of := range target.AllOf {
		for name, allowed := range of.Then.Properties {
			if of.If.Properties.Provider.Const == "gcp" && allowed == false {
				delete(target.Properties, name)
			}
		}
	}
	return slices.Collect(maps.Keys(target.Properties))
}

// setsAtGoogle writes a field of the target; without a value it leaves it out.
func setsAtGoogle(field, value string) func(*testing.T, *clouds) {
	return func(t *testing.T, c *clouds) {
		t.Helper()
		before, after, ok := strings.Cut(string(c.state(t).config), atGoogle)
		if !ok {
			t.Fatal("there is no such target")
		}
		end := strings.Index(after, "\n  - name: ") + 1
		lines := slices.DeleteFunc(strings.SplitAfter(after[:end], "\n"), func(line string) bool { return strings.HasPrefix(line, "    "+field+":") })
		if value != "" {
			lines = append(lines, "    "+field+": "+value+"\n")
		}
		fatal(t, os.WriteFile(c.Config, []byte(before+atGoogle+strings.Join(lines, "")+after[end:]), 0o600))
	}
}
