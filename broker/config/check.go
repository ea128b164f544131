package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// check holds what was read against itself. What is missing or malformed was
// reported before.
func (d *decoder) check(c *Config) {
	d.checkToken(c.Token)
	d.checkPin(c.Token)
	var targets, policies []string
	for i, t := range c.Targets {
		targets = d.once("targets", i, t.Name, targets)
		d.checkTarget(fmt.Sprintf("targets[%d]", i), t, c)
		d.checkQuotas(fmt.Sprintf("targets[%d].quotas", i), t, c.Targets[:i])
	}
	for i, p := range c.Policies {
		policies = d.once("policies", i, p.Name, policies)
		d.checkPolicy(fmt.Sprintf("policies[%d]", i), p, c)
	}
}

// once reports a name that is there already, and returns all names.
func (d *decoder) once(list string, i int, name string, before []string) []string {
	if first := slices.Index(before, name); first >= 0 && name != "" {
		d.faultAt(fmt.Sprintf("%s[%d].name", list, i), "%s: %q is there twice; first in line %d",
			list, name, d.places[fmt.Sprintf("%s[%d].name", list, first)].Line)
	}
	return append(before, name)
}

func (d *decoder) checkToken(t Token) {
	if _, there := d.places["token"]; there && t.Label == "" && t.Serial == "" && !d.there("token.label", "token.serial") {
		d.faultAt("token", "token: label or serial is missing: by which of them is the token known?")
	}
}

func (d *decoder) there(paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { _, ok := d.places[p]; return ok })
}

// checkPin demands exactly one source, and none from the environment in production.
func (d *decoder) checkPin(t Token) {
	var given []string
	for _, f := range []string{"file", "credential", "command", "prompt", "env"} {
		if d.there("token.pin." + f) {
			given = append(given, f)
		}
	}
	switch {
	case len(given) > 1:
		d.faultAt("token.pin", "token.pin: %s exclude each other; give one", strings.Join(given, " and "))
	case len(given) == 0 && d.there("token.pin") && !d.reported("token.pin"):
		d.faultAt("token.pin", "token.pin: say where it comes from: file, credential, command, prompt or env")
	case t.Pin.Env != "" && t.Environment == broker.Production:
		d.faultAt("token.pin.env", "token.pin: an environment variable is readable for others on the machine and never holds a production PIN; use file, credential, command or prompt")
	case d.there("token.pin.prompt") && !t.Pin.Prompt && !d.reported("token.pin.prompt"):
		d.faultAt("token.pin.prompt", "token.pin.prompt: false names no source")
	case d.there("token.pin.command") && len(t.Pin.Command) == 0 && !d.reported("token.pin.command"):
		d.faultAt("token.pin.command", "token.pin.command is empty: give a program and its arguments")
	case len(t.Pin.Command) > 0 && !filepath.IsAbs(t.Pin.Command[0]) && !d.reported("token.pin.command"):
		d.faultAt("token.pin.command", "token.pin.command: write the program's whole path, so that no other one is found first")
	}
}

// reported says whether a problem is known already on the line of a path.
func (d *decoder) reported(path string) bool {
	at := d.places[path]
	return at != nil && slices.ContainsFunc(d.problems.List, func(p Problem) bool { return p.Line == at.Line })
}
