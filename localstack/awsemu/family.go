package awsemu

import (
	"maps"
	"slices"
	"time"
)

// Roles of a key that other regions have too.
const (
	rolePrimary = "PRIMARY"
	roleReplica = "REPLICA"
)

// family is a multi-Region key: keys of one id, spec, usage and origin in several
// regions of an account. One of them is the primary.
type family struct {
	primary string          // its region
	members map[string]*key // by region
	ended   time.Time       // when the last replica was deleted
}

// related are the keys of a multi-Region key, the primary first, then by region; of
// any other key it is the key alone.
func (k *key) related() []*key {
	if k.family == nil {
		return []*key{k}
	}
	return append([]*key{k.family.members[k.family.primary]}, k.replicas()...)
}

// replicas are sorted by region.
func (k *key) replicas() []*key {
	if k.family == nil {
		return nil
	}
	var out []*key
	for _, region := range slices.Sorted(maps.Keys(k.family.members)) {
		if region != k.family.primary {
			out = append(out, k.family.members[region])
		}
	}
	return out
}

// primary is the key itself where there is no other.
func (k *key) primary() *key { return k.related()[0] }

// role is "" for a key of one region.
func (k *key) role() string {
	switch {
	case k.family == nil:
		return ""
	case k.primary() == k:
		return rolePrimary
	default:
		return roleReplica
	}
}

// requirePrimary refuses what only a primary can do.
func (k *key) requirePrimary(action string) error {
	if k.role() == rolePrimary {
		return nil
	}
	return refuse(codeUnsupported, "%s is not a multi-Region primary key, which %s needs", k.arn, action)
}

// leave takes a deleted key out of its family. When the last replica is gone the
// waiting period of a primary that is to be deleted begins (API Reference,
// ScheduleKeyDeletion).
func (k *key) leave() {
	if k.family == nil {
		return
	}
	primary := k.primary()
	delete(k.family.members, k.place.region)
	if k.deletion.After(k.family.ended) {
		k.family.ended = k.deletion
	}
	if k != primary && len(k.family.members) == 1 && primary.state() == statePendingReplica {
		primary.deletion = k.family.ended.Add(primary.window)
	}
}

// share gives a material that is associated with the key for good its place in every
// replica. What was imported is not copied: each replica waits for its own import.
func (k *key) share(m *material) {
	for _, replica := range k.replicas() {
		if replica.find(m.same) == nil {
			replica.materials = append(replica.materials, m.copy(k.origin == originKMS))
		}
	}
}

// copy is the material in another region, without what was said of it here.
func (m *material) copy(present bool) *material {
	out := &material{id: m.id, identity: m.identity, sha256: m.sha256, state: m.state, rotatedAt: m.rotatedAt}
	if present {
		out.secret = m.secret
	}
	return out
}

// same compares by what the material is.
func (m *material) same(o *material) bool { return m.identity == o.identity }

// everywhere says whether every related key holds the material.
func (k *key) everywhere(m *material) bool {
	return !slices.ContainsFunc(k.related(), func(o *key) bool {
		held := o.find(m.same)
		return held == nil || !held.present()
	})
}

// multiRegion is MultiRegionConfiguration of the API.
type multiRegion struct {
	MultiRegionKeyType string        `json:"MultiRegionKeyType"`
	PrimaryKey         regionalKey   `json:"PrimaryKey"`
	ReplicaKeys        []regionalKey `json:"ReplicaKeys"`
}

type regionalKey struct {
	Arn    string `json:"Arn"`
	Region string `json:"Region"`
}

func (k *key) multiRegion() *multiRegion {
	if k.family == nil {
		return nil
	}
	primary := k.primary()
	out := &multiRegion{k.role(), regionalKey{primary.arn, primary.place.region}, []regionalKey{}}
	for _, replica := range k.replicas() {
		out.ReplicaKeys = append(out.ReplicaKeys, regionalKey{replica.arn, replica.place.region})
	}
	return out
}
