package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// key is one key of the target with its versions.
type key struct {
	ref        broker.KeyRef
	effect     string
	origin     broker.Origin
	in         broker.PrepareIn
	createdAt  time.Time
	disabled   bool
	deletionAt time.Time
	destroyed  bool
	policy     bool // it is the one that this provider sends
	versions   []*version
	current    int // index into versions
}

// version is one set of material.
type version struct {
	id       string
	effect   string
	material material
	sha256   string // of the unwrapped material, hex; stays when the material is gone
	validTo  time.Time
	present  bool
}

// tick lets time pass: material ends at its valid-to, a key at its deletion.
func (k *key) tick(now time.Time) {
	for _, v := range k.versions {
		if !v.validTo.IsZero() && !now.Before(v.validTo) {
			v.present = false
		}
	}
	if !k.deletionAt.IsZero() && !now.Before(k.deletionAt) {
		k.destroyed = true
	}
}

// remote is the key's state. All its materials are needed, as AWS has it.
func (k *key) remote() broker.RemoteState {
	switch {
	case k.destroyed:
		return broker.RemoteDestroyed
	case !k.deletionAt.IsZero():
		return broker.RemoteScheduled
	case !k.whole():
		return broker.RemotePending
	case k.disabled:
		return broker.RemoteDisabled
	default:
		return broker.RemoteEnabled
	}
}

func (k *key) whole() bool {
	for _, v := range k.versions {
		if !v.present {
			return false
		}
	}
	return len(k.versions) > 0
}

// usable refuses a key that is not enabled, as a Conflict.
func (k *key) usable() error {
	if s := k.remote(); s != broker.RemoteEnabled {
		return fmt.Errorf("the key is %s: %w", s, broker.Conflict)
	}
	return nil
}

// version by its id; "" is the current one, nil where there is none.
func (k *key) version(id string) *version {
	if id == "" && len(k.versions) > 0 {
		return k.versions[k.current]
	}
	for _, v := range k.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// holding finds the version with just this material.
func (k *key) holding(m material) *version {
	for _, v := range k.versions {
		if v.sha256 == m.sha256() {
			return v
		}
	}
	return nil
}

// add makes a further version. Where a key can hold several they are numbered;
// else a symmetric one has an id of its material, as AWS has it.
func (k *key) add(m material, e broker.Effect, c broker.SpecCapability) *version {
	v := &version{effect: e.ID(), material: m, sha256: m.sha256()}
	switch {
	case c.SecondVersion:
		v.id = strconv.Itoa(len(k.versions) + 1)
	case k.in.Spec.Class() == broker.ClassAES:
		sum := sha256.Sum256(append([]byte(k.ref.ID+"\x00"), m.raw...))
		v.id = hex.EncodeToString(sum[:])
	}
	k.versions = append(k.versions, v)
	return v
}

// consumers are the names that lead to the key, sorted by the caller.
func (p *Provider) namesOf(k *key) []string {
	var names []string
	for name, id := range p.consumers {
		if id == k.ref.ID {
			names = append(names, name)
		}
	}
	return names
}
