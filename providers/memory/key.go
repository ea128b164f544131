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
	caps       *broker.Capabilities // of its target
	effect     string
	origin     broker.Origin
	in         broker.PrepareIn
	createdAt  time.Time
	disabled   bool // where its versions share one state
	deletionAt time.Time
	destroyed  bool
	policy     bool // it is the one that this provider sends
	versions   []*version
	current    *version // what consumers get by the key; nil nothing yet
}

// given is what consumers are given of the key.
func (k *key) given() broker.Given { return k.caps.Specs[k.in.Spec].Given[k.in.Purpose] }

// apart: its versions have states of their own; else all share the key's, as AWS
// has it.
func (k *key) apart() bool { return k.given() != broker.GivenName }

// tick lets time pass: imports come to an end, material ends at its valid-to, a key
// or version at its deletion.
func (k *key) tick(now time.Time) {
	for _, v := range k.versions {
		v.arrive(now)
		if ends := !k.caps.ValidTo.Moves; ends && !v.validTo.IsZero() && !now.Before(v.validTo) {
			v.present = false
		}
		if !v.deletionAt.IsZero() && !now.Before(v.deletionAt) {
			v.destroyed, v.present, v.material = true, false, material{}
		}
	}
	if !k.deletionAt.IsZero() && !now.Before(k.deletionAt) {
		k.destroyed = true
	}
}

// version by its id; "" is the current one, else the newest, nil where there is none.
func (k *key) version(id string) *version {
	switch {
	case id == "" && k.current != nil:
		return k.current
	case id == "" && len(k.versions) > 0:
		return k.versions[len(k.versions)-1]
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

// add makes a further version, and lets consumers have it where they get the newest,
// or this is the first of a key that a name leads to.
func (k *key) add(m material, of broker.PrepareIn) *version {
	v := &version{id: k.nextID(m), of: of}
	k.versions = append(k.versions, v)
	if given := k.given(); given == broker.GivenNewest || given == broker.GivenName && k.current == nil {
		k.current = v
	}
	return v
}

// nextID is a number where a key can hold several versions, and says nothing where
// consumers use the newest, as Azure has it; else a symmetric one has an id of its
// material, as AWS has it.
func (k *key) nextID(m material) string {
	number := strconv.Itoa(len(k.versions) + 1)
	switch {
	case k.given() == broker.GivenNewest:
		return digest(k.ref.ID, []byte(number))[:32]
	case k.caps.Specs[k.in.Spec].SecondVersion:
		return number
	case k.in.Spec.Class() == broker.ClassAES:
		return digest(k.ref.ID, m.raw)
	default:
		return ""
	}
}

func digest(prefix string, of []byte) string {
	sum := sha256.Sum256(append([]byte(prefix+"\x00"), of...))
	return hex.EncodeToString(sum[:])
}

// consumer is what consumers use of the key once the version is active; "" a name of
// ours that leads to the key, or nothing yet.
func (k *key) consumer(v *version) string {
	switch given := k.given(); {
	case v == nil || given == broker.GivenName:
		return ""
	case given == broker.GivenVersion:
		return fmt.Sprintf("%s/version/%s", k.ref.ID, v.id)
	default:
		return k.ref.ID
	}
}
