package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
		d.checkTarget(fmt.Sprintf("targets[%d]", i), t)
	}
	for i, p := range c.Policies {
		policies = d.once("policies", i, p.Name, policies)
		d.checkPolicy(fmt.Sprintf("policies[%d]", i), p, targets)
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

func (d *decoder) checkTarget(path string, t Target) {
	const day = 24 * time.Hour
	if w := time.Duration(t.DeletionWindow); w != 0 && (w%day != 0 || w < 7*day || w > 30*day) {
		d.faultAt(path+".deletion_window", "%s.deletion_window: %s is not from 7d to 30d in whole days", path, t.DeletionWindow)
	}
	if t.RoleARN != "" && t.Account != "" && !strings.Contains(t.RoleARN, ":"+t.Account+":") {
		d.faultAt(path+".role_arn", "%s.role_arn: the role is not in account %s", path, t.Account)
	}
	if t.ExternalID != "" && !d.there(path+".role_arn") {
		d.faultAt(path+".external_id", "%s.external_id goes with a role_arn, which is missing", path)
	}
	if t.Settle != 0 && t.Poll > t.Settle {
		d.faultAt(path+".poll", "%s.poll: %s is longer than settle (%s)", path, t.Poll, t.Settle)
	}
	if k := t.KeyPolicy; k != nil {
		d.checkKeyPolicy(path+".key_policy", *k)
	}
}

func (d *decoder) checkKeyPolicy(path string, k KeyPolicy) {
	var object map[string]any
	switch {
	case k.File != "" && k.Inline != "":
		d.faultAt(path, "%s: file and inline exclude each other; give one", path)
	case k.Inline != "" && json.Unmarshal([]byte(k.Inline), &object) != nil:
		d.faultAt(path+".inline", "%s.inline is not a JSON object", path)
	case k.File == "" && k.Inline == "" && !d.reported(path):
		d.faultAt(path, "%s: give file or inline", path)
	}
}

func (d *decoder) checkPolicy(path string, p Policy, targets []string) {
	for i, name := range p.Targets {
		at := fmt.Sprintf("%s.targets[%d]", path, i)
		switch {
		case !slices.Contains(targets, name):
			d.faultAt(at, "%s: no target is called %q; %s", at, name, orNear(name, targets))
		case slices.Contains(p.Targets[:i], name):
			d.faultAt(at, "%s: %q is there twice", at, name)
		}
	}
	if p.Spec != "" && p.Purpose != "" && !slices.Contains(p.Spec.Purposes(), p.Purpose) {
		d.faultAt(path+".purpose", "%s.purpose: a key of spec %s cannot %s; allowed: %s", path, p.Spec, p.Purpose, strings.Join(words(p.Spec.Purposes()), ", "))
	}
}
