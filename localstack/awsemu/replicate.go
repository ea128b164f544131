package awsemu

import (
	"cmp"
	"maps"
	"slices"
)

type replicateInput struct {
	KeyID                          string  `json:"KeyId"`
	ReplicaRegion                  string  `json:"ReplicaRegion"`
	Policy                         *string `json:"Policy"`
	BypassPolicyLockoutSafetyCheck bool    `json:"BypassPolicyLockoutSafetyCheck"`
	Description                    string  `json:"Description"`
	Tags                           []tag   `json:"Tags"`
}

type replicateOutput struct {
	ReplicaKeyMetadata metadata `json:"ReplicaKeyMetadata"`
	ReplicaPolicy      string   `json:"ReplicaPolicy"`
	ReplicaTags        []tag    `json:"ReplicaTags"`
}

// replicateKey makes a replica of a primary in another region. It has the primary's
// id, spec, usage and origin, and nothing else of it; material that was imported it
// has not (API Reference, ReplicateKey).
func replicateKey(c *call, in replicateInput) (any, error) {
	if err := cmp.Or(checkRegion("ReplicaRegion", in.ReplicaRegion), checkLength("Description", len([]rune(in.Description)), 0, 8192)); err != nil {
		return nil, err
	}
	primary, err := c.replicable(in.KeyID)
	if err != nil {
		return nil, err
	}
	there := place{c.place.account, in.ReplicaRegion}
	if primary.family.members[there.region] != nil {
		return nil, refuse(codeExists, "A multi-Region key of the id %s exists in %s already", primary.id, there.region)
	}
	tags, err := c.newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	policy, err := c.keyPolicy(in.Policy, in.BypassPolicyLockoutSafetyCheck)
	if err := cmp.Or(err, c.creation(there)); err != nil {
		return nil, err
	}
	replica := &key{
		id: primary.id, arn: there.arn("key/" + primary.id), place: there, spec: primary.spec, usage: primary.usage, origin: primary.origin,
		description: in.Description, policy: policy, created: c.now, commits: map[string]int{}, rotations: primary.rotations, family: primary.family,
	}
	replica.tags.is = tags
	primary.adopt(replica)
	replica.pass(stateCreating, c.now.Add(c.settings().ReplicationDelay.Duration()))
	replica.exists.set(true, c.lag())
	replica.shown.is = replica.metadata()
	c.s.store.at(there).keys[replica.id] = replica
	return replicateOutput{replica.metadata(), policy, listed(tags)}, nil
}

// replicable finds a primary that can be replicated: one that is enabled. Whether
// one that waits for its first material is, AWS does not say; leniently it is.
func (c *call) replicable(ref string) (*key, error) {
	k, err := c.key(ref)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.allow("kms:CreateKey"), k.requirePrimary(c.action)); err != nil {
		return nil, err
	}
	if c.lenient() && k.state() == statePendingImport {
		return k, nil
	}
	return k, k.enabled()
}

// enabled refuses every other state.
func (k *key) enabled() error {
	if k.state() == stateDisabled {
		return k.usable()
	}
	return k.in(stateEnabled)
}

// creation takes a replica from the quota of its region: one call is two of CreateKey
// there, the first of which is a trial (Developer Guide, Request quotas).
func (c *call) creation(there place) error {
	rate := c.s.actions["CreateKey"].rate
	return cmp.Or(c.throttleAt(there, "CreateKey", rate), c.throttleAt(there, "CreateKey", rate))
}

// adopt makes a key a replica of this one.
func (k *key) adopt(replica *key) {
	k.family.members[replica.place.region] = replica
	for _, m := range k.materials {
		if m.permanent() {
			k.share(m)
		}
	}
}

// listed are tags sorted by their keys.
func listed(tags map[string]string) []tag {
	out := []tag{}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tag{name, tags[name]})
	}
	return out
}

// checkRegion holds a region's form; which regions there are the emulator does not know.
func checkRegion(member, name string) error {
	return cmp.Or(checkLength(member, len(name), 1, 32), checkPattern(member, name, `^([a-z]+-){2,3}\d+$`))
}
