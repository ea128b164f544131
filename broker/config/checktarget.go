package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// algorithmForm is that of a provider's word for what a key computes.
var algorithmForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) })

const day = 24 * time.Hour

// window is what a provider takes as the waiting period before deletion.
type window struct {
	min, max, unit time.Duration // max 0: the provider has none that can be chosen
	words          string
}

func windowOf(provider string) window {
	switch provider {
	case AWS:
		return window{7 * day, 30 * day, day, "from 7d to 30d in whole days"}
	case GCP:
		return window{day, 120 * day, time.Second, "from 1d to 120d"}
	default:
		return window{}
	}
}

func (w window) allows(d time.Duration) bool {
	return w.max == 0 || d%w.unit == 0 && d >= w.min && d <= w.max
}

func (d *decoder) checkTarget(path string, t Target, c *Config) {
	if w := windowOf(t.Provider); t.DeletionWindow != 0 && !w.allows(time.Duration(t.DeletionWindow)) {
		d.faultAt(path+".deletion_window", "%s.deletion_window: %s is not %s", path, t.DeletionWindow, w.words)
	}
	if t.Settle != 0 && t.Poll > t.Settle {
		d.faultAt(path+".poll", "%s.poll: %s is longer than settle (%s)", path, t.Poll, t.Settle)
	}
	switch t.Provider {
	case AWS:
		d.checkAWS(path, t, c)
	case GCP:
		if t.WrappingKey == "rsa-2048" {
			d.faultAt(path+".wrapping_key", "%s.wrapping_key: Google has none of 2048 bits; allowed: rsa-3072, rsa-4096", path)
		}
	case Azure:
		d.checkAzure(path, t)
	default:
	}
}

func (d *decoder) checkAWS(path string, t Target, c *Config) {
	for _, role := range []struct{ field, arn, externalID string }{
		{"role_arn", t.RoleARN, "external_id"}, {"proof_role_arn", t.ProofRoleARN, "proof_external_id"},
	} {
		if role.arn != "" && t.Account != "" && !strings.Contains(role.arn, ":"+t.Account+":") {
			d.faultAt(path+"."+role.field, "%s.%s: the role is not in account %s", path, role.field, t.Account)
		}
		if d.there(path+"."+role.externalID) && !d.there(path+"."+role.field) {
			d.faultAt(path+"."+role.externalID, "%s.%s goes with a %s, which is missing", path, role.externalID, role.field)
		}
	}
	if k := t.KeyPolicy; k != nil {
		d.checkKeyPolicy(path+".key_policy", *k)
	}
	if t.ReplicaOf != "" {
		d.checkReplica(path+".replica_of", t, c)
	}
}

// checkReplica: a replica has the primary's account and another region (AWS KMS
// Developer Guide, "Multi-Region keys"), and is no primary itself.
func (d *decoder) checkReplica(at string, t Target, c *Config) {
	primary, known := c.Target(t.ReplicaOf)
	var others []string
	for _, o := range c.Targets {
		if o.Provider == AWS && o.Name != t.Name {
			others = append(others, o.Name)
		}
	}
	switch {
	case !known || primary.Name == t.Name:
		d.faultAt(at, "%s: no other target is called %q; %s", at, t.ReplicaOf, orNear(t.ReplicaOf, others))
	case primary.Provider != AWS:
		d.faultAt(at, "%s: %s is a target of %s; only AWS has replicas", at, primary.Name, primary.Provider)
	case primary.ReplicaOf != "":
		d.faultAt(at, "%s: %s holds replicas itself; name the target with the primary keys", at, primary.Name)
	case primary.Account != t.Account:
		d.faultAt(at, "%s: %s is in account %s, not %s", at, primary.Name, primary.Account, t.Account)
	case primary.Region == t.Region:
		d.faultAt(at, "%s: %s is in %s too; a replica is in another region", at, primary.Name, t.Region)
	case primary.Environment != t.Environment:
		d.faultAt(at, "%s: %s belongs to environment %s, not %s", at, primary.Name, primary.Environment, t.Environment)
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

func (d *decoder) checkAzure(path string, t Target) {
	if strings.Contains(t.KeyName, "_") {
		d.faultAt(path+".key_name", "%s.key_name: Azure takes letters, digits and - in names", path)
	}
	if k := time.Duration(t.KEKValidFor); k != 0 && (k < 2*day || k > 730*day) {
		d.faultAt(path+".kek_valid_for", "%s.kek_valid_for: %s is not from 2d to 730d", path, t.KEKValidFor)
	}
	if t.Kind == "managed-hsm" && t.Protection == "software" {
		d.faultAt(path+".protection", "%s.protection: a Managed HSM keeps nothing in software", path)
	}
	for field, c := range map[string]*AzureCredentials{"credentials": t.Credentials, "proof_credentials": t.ProofCredentials} {
		if c != nil {
			d.checkCredentials(fmt.Sprintf("%s.%s", path, field), *c)
		}
	}
}

// checkCredentials: each kind has fields that it needs, and others that it would
// ignore in silence.
func (d *decoder) checkCredentials(path string, c AzureCredentials) {
	kind, ok := map[string]struct{ needs, takes []string }{
		"default":           {},
		"managed-identity":  {takes: []string{"client_id"}},
		"workload-identity": {needs: []string{"client_id", "token_file"}},
		"certificate":       {needs: []string{"client_id", "certificate_file"}},
	}[c.Kind]
	if !ok {
		return
	}
	for _, field := range kind.needs {
		if !d.there(path + "." + field) {
			d.faultAt(path, "%s.%s is missing: kind %s needs it", path, field, c.Kind)
		}
	}
	for _, field := range []string{"client_id", "certificate_file", "token_file"} {
		if d.there(path+"."+field) && !slices.Contains(slices.Concat(kind.needs, kind.takes), field) {
			d.faultAt(path+"."+field, "%s.%s goes with another kind than %s", path, field, c.Kind)
		}
	}
}
