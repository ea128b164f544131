package azureemu

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// vault is a vault, and the keys in it by name in lower case: identifiers compare
// without regard to case (About keys, secrets and certificates).
type vault struct {
	Vault
	keys    map[string]*key
	windows map[string]*window // quotas
}

func newVault(v Vault) *vault {
	return &vault{Vault: v, keys: map[string]*key{}, windows: map[string]*window{}}
}

// names are those of its keys, sorted.
func (v *vault) names() []string { return slices.Sorted(maps.Keys(v.keys)) }

// recoveryLevel is what keys show of soft delete (DeletionRecoveryLevel).
func (v *vault) recoveryLevel() string {
	level := "Recoverable"
	if v.retention() < longestRetention {
		level = "CustomizedRecoverable"
	}
	if !v.PurgeProtection {
		level += "+Purgeable"
	}
	return level
}

// Bounds of soft delete's retention, in days (Soft-delete overview).
const (
	shortestRetention = 7
	longestRetention  = 90
)

func (v *vault) retention() int {
	if v.RetentionDays == 0 {
		return longestRetention
	}
	return v.RetentionDays
}

// elapse does what has become due: deletions and recoveries end, retention runs
// out, purged names become free.
func (v *vault) elapse(now time.Time) {
	maps.DeleteFunc(v.keys, func(_ string, k *key) bool { return k.elapse(now) })
}

// key finds a key of any state.
func (v *vault) key(name string) *key { return v.keys[strings.ToLower(name)] }

// put keeps a key under its name.
func (v *vault) put(k *key) { v.keys[strings.ToLower(k.name)] = k }

// stage is where a key is between being there and being gone.
type stage int

const (
	active     stage = iota
	deleting         // soft delete is under way
	deleted          // soft-deleted
	recovering       // recovery is under way
	purging          // gone, but its name is not free yet
)

// key is a name, and the versions under it.
type key struct {
	name     string // as it was first written
	versions []*version
	policy   *rotationPolicy
	commits  map[string]int // by action

	stage     stage
	due       time.Time // when a stage that is under way ends
	deletedAt time.Time
	purgeAt   time.Time // when a soft-deleted key is purged by itself
}

// latest is the version that the name alone leads to.
func (k *key) latest() *version { return k.versions[len(k.versions)-1] }

// find is a version by its id; nil for none.
func (k *key) find(id string) *version {
	i := slices.IndexFunc(k.versions, func(v *version) bool { return strings.EqualFold(v.id, id) })
	if i < 0 {
		return nil
	}
	return k.versions[i]
}

// elapse moves the key on, and says whether it is gone.
func (k *key) elapse(now time.Time) bool {
	if k.stage == deleting && !now.Before(k.due) {
		k.stage = deleted
	}
	switch {
	case k.stage == recovering && !now.Before(k.due):
		k.stage, k.deletedAt, k.purgeAt = active, time.Time{}, time.Time{}
	case k.stage == deleted && !now.Before(k.purgeAt), k.stage == purging && !now.Before(k.due):
		return true
	}
	return false
}
