package awsemu

import (
	"slices"
	"time"
)

// Key states and origins.
const (
	stateEnabled         = "Enabled"
	stateDisabled        = "Disabled"
	statePendingImport   = "PendingImport"
	statePendingDeletion = "PendingDeletion"
	statePendingReplica  = "PendingReplicaDeletion" // a primary's, as long as it has replicas
	stateCreating        = "Creating"               // a new replica's
	stateUpdating        = "Updating"               // of two keys whose roles change

	originExternal = "EXTERNAL"
	originKMS      = "AWS_KMS"

	modelExpires = "KEY_MATERIAL_EXPIRES"
	modelForever = "KEY_MATERIAL_DOES_NOT_EXPIRE"
)

// key is one KMS key.
type key struct {
	id, arn     string
	place       place
	spec        keySpec
	usage       string
	origin      string
	description string
	policy      string
	created     time.Time
	disabled    bool
	deletion    time.Time     // zero: not scheduled, or not begun
	window      time.Duration // how long deletion waits; zero: not scheduled
	transient   string        // Creating or Updating; "" neither
	settled     time.Time     // when that ends
	family      *family       // of a multi-Region key, else nil
	materials   []*material
	rotations   int
	rotateAt    time.Time // of a rotation in progress
	lastUse     lastUse
	commits     map[string]int

	tags   lagging[map[string]string]
	exists lagging[bool]
	shown  lagging[metadata] // what DescribeKey shows
}

// lastUse is the last successful cryptographic operation.
type lastUse struct {
	action, request string
	at              time.Time
}

func (k *key) state() string {
	switch {
	case !k.deletion.IsZero():
		return statePendingDeletion
	case k.window > 0:
		return statePendingReplica
	case k.transient != "":
		return k.transient
	}
	return k.lasting()
}

// lasting is the state that the key has when nothing is on its way.
func (k *key) lasting() string {
	switch {
	case k.disabled:
		return stateDisabled
	case !k.complete():
		return statePendingImport
	}
	return stateEnabled
}

// pass puts the key into a state that ends by itself.
func (k *key) pass(state string, until time.Time) { k.transient, k.settled = state, until }

// complete: it has material, and all that is associated for good is there.
func (k *key) complete() bool {
	return len(k.materials) > 0 && !slices.ContainsFunc(k.materials, func(m *material) bool { return m.permanent() && !m.present() })
}

// current is the material that encrypts, nil before the first import.
func (k *key) current() *material {
	return k.find(func(m *material) bool { return m.state == stateCurrent })
}

// pending is the material that the next rotation makes current.
func (k *key) pending() *material {
	return k.find(func(m *material) bool { return m.state == statePending })
}

func (k *key) find(f func(*material) bool) *material {
	if i := slices.IndexFunc(k.materials, f); i >= 0 {
		return k.materials[i]
	}
	return nil
}

// validTo is the earliest end of material associated for good; zero for none.
func (k *key) validTo() (earliest time.Time) {
	for _, m := range k.materials {
		if m.permanent() && !m.validTo.IsZero() && (earliest.IsZero() || m.validTo.Before(earliest)) {
			earliest = m.validTo
		}
	}
	return earliest
}

// forget takes the secret away. Where the material is associated for good the key
// needs the same again, whatever it was before (Developer Guide, Key states).
func (k *key) forget(m *material) {
	if m.state == statePending {
		k.discard(m)
		return
	}
	m.secret = nil
	k.disabled = false
}

// discard takes pending material out, a primary's from its replicas too (API
// Reference, DeleteImportedKeyMaterial).
func (k *key) discard(m *material) {
	from := []*key{k}
	if k.role() == rolePrimary {
		from = k.related()
	}
	for _, o := range from {
		o.materials = slices.DeleteFunc(o.materials, m.same)
	}
}

// rotate makes the pending material current, in all regions of the key.
func (k *key) rotate(now time.Time) {
	k.rotateAt = time.Time{}
	next := k.pending()
	if next == nil {
		return
	}
	k.share(next) // a replica may have lost it since
	for _, o := range k.related() {
		own := o.find(next.same)
		o.current().state = stateNonCurrent
		own.state, own.rotatedAt, o.rotations = stateCurrent, now, k.rotations
	}
}

// elapse does what has become due: material expires, rotations complete. It
// returns the next time something will be due, zero for never.
func (k *key) elapse(now time.Time) (next time.Time) {
	if !k.rotateAt.IsZero() && !now.Before(k.rotateAt) {
		k.rotate(k.rotateAt)
	}
	if k.transient != "" && !now.Before(k.settled) {
		k.pass("", time.Time{})
	}
	for _, m := range slices.Clone(k.materials) {
		if m.present() && !m.validTo.IsZero() && !now.Before(m.validTo) {
			k.forget(m)
		}
	}
	for _, m := range k.materials {
		if m.present() {
			next = earlier(next, m.validTo)
		}
	}
	return earlier(earlier(earlier(next, k.rotateAt), k.deletion), k.settled)
}

// earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
