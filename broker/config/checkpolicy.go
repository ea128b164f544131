package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func (d *decoder) checkPolicy(path string, p Policy, c *Config) {
	d.checkPolicyTargets(path, p, c)
	if p.Spec != "" && p.Purpose != "" && !slices.Contains(p.Spec.Purposes(), p.Purpose) {
		d.faultAt(path+".purpose", "%s.purpose: a key of spec %s cannot %s; allowed: %s", path, p.Spec, p.Purpose, strings.Join(words(p.Spec.Purposes()), ", "))
	}
	if p.WrapWithTrusted && p.Retain == broker.RetainWrapped {
		d.faultAt(path+".retain", "%s.retain: wrapped keeps material under a key that no security officer marked, which wrap_with_trusted forbids; use token, sealed or none", path)
	}
	for _, provider := range slices.Sorted(maps.Keys(p.Algorithms)) {
		at := path + ".algorithms." + provider
		switch word := p.Algorithms[provider]; {
		case !slices.Contains(providers(), provider):
			d.faultAt(at, "%s: there is no provider %q; %s", at, provider, orNear(provider, providers()))
		case !algorithmForm().MatchString(word):
			d.faultAt(at, "%s: %.80q is not a provider's word like RSA_SIGN_PKCS1_3072_SHA256", at, word)
		}
	}
	if p.ValidFor != 0 && p.ValidAfter >= p.ValidFor {
		d.faultAt(path+".valid_after", "%s.valid_after: %s is not before the end (valid_for: %s)", path, p.ValidAfter, p.ValidFor)
	}
}

func (d *decoder) checkPolicyTargets(path string, p Policy, c *Config) {
	var targets []string
	for _, t := range c.Targets {
		targets = append(targets, t.Name)
	}
	for i, name := range p.Targets {
		at := fmt.Sprintf("%s.targets[%d]", path, i)
		t, known := c.Target(name)
		switch {
		case !known:
			d.faultAt(at, "%s: no target is called %q; %s", at, name, orNear(name, targets))
		case slices.Contains(p.Targets[:i], name):
			d.faultAt(at, "%s: %q is there twice", at, name)
		case p.DeletionWindow != 0 && !windowOf(t.Provider).allows(time.Duration(p.DeletionWindow)):
			d.faultAt(path+".deletion_window", "%s.deletion_window: %s is not %s, which target %s takes", path, p.DeletionWindow, windowOf(t.Provider).words, name)
		case t.ReplicaOf != "" && !slices.Contains(p.Targets, t.ReplicaOf):
			d.faultAt(at, "%s: %s holds replicas of keys at %s, which the policy does not have", at, name, t.ReplicaOf)
		}
	}
}
