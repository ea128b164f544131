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
	d.checkPin("token.pin", c.Token.Pin, c.Token.Environment)
	d.checkPin("token.so_pin", c.Token.SOPin, c.Token.Environment)
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
func (d *decoder) checkPin(path string, p Pin, environment string) {
	var given []string
	for _, f := range []string{"file", "credential", "command", "prompt", "env"} {
		if d.there(path + "." + f) {
			given = append(given, f)
		}
	}
	switch {
	case len(given) > 1:
		d.faultAt(path, "%s: %s exclude each other; give one", path, strings.Join(given, " and "))
	case len(given) == 0 && d.there(path) && !d.reported(path):
		d.faultAt(path, "%s: say where it comes from: file, credential, command, prompt or env", path)
	case p.Env != "" && environment == broker.Production:
		d.faultAt(path+".env", "%s: an environment variable is readable for others on the machine and never holds a production PIN; use file, credential, command or prompt", path)
	case d.there(path+".prompt") && !p.Prompt && !d.reported(path+".prompt"):
		d.faultAt(path+".prompt", "%s.prompt: false names no source", path)
	case d.there(path+".command") && len(p.Command) == 0 && !d.reported(path+".command"):
		d.faultAt(path+".command", "%s.command is empty: give a program and its arguments", path)
	case len(p.Command) > 0 && !filepath.IsAbs(p.Command[0]) && !d.reported(path+".command"):
		d.faultAt(path+".command", "%s.command: write the program's whole path, so that no other one is found first", path)
	}
}

// reported says whether a problem is known already on the line of a path.
func (d *decoder) reported(path string) bool {
	at := d.places[path]
	return at != nil && slices.ContainsFunc(d.problems.List, func(p Problem) bool { return p.Line == at.Line })
}
