package memory

import (
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// version is one set of material.
type version struct {
	id         string
	effect     string           // that imported it
	of         broker.PrepareIn // what it was imported as
	batch      string           // what it was imported under, where that serves many
	material   material
	sha256     string // of the unwrapped material, hex; stays when the material is gone
	createdAt  time.Time
	validFrom  time.Time
	validTo    time.Time
	present    bool
	arriving   *arriving // an import that was accepted, and is not done
	failed     string    // why an import that was accepted came to nothing
	disabled   bool
	deletionAt time.Time
	destroyed  bool
}

// arriving is what an accepted import comes to, at its time.
type arriving struct {
	at       time.Time
	material material
	fails    string
}

// arrive ends an import whose time has come.
func (v *version) arrive(now time.Time) {
	a := v.arriving
	if a == nil || now.Before(a.at) {
		return
	}
	v.arriving, v.failed = nil, a.fails
	if a.fails == "" {
		v.take(a.material)
	}
}

func (v *version) take(m material) {
	v.material, v.sha256, v.present = m, m.sha256(), true
	v.destroyed, v.deletionAt = false, time.Time{}
}

// state of a version, or of the key where v is nil or its versions share one.
func (k *key) state(v *version) broker.RemoteState {
	switch {
	case k.destroyed:
		return broker.RemoteDestroyed
	case !k.deletionAt.IsZero():
		return broker.RemoteScheduled
	case v != nil && k.apart():
		return v.state()
	case !k.whole():
		return broker.RemotePending
	case k.disabled:
		return broker.RemoteDisabled
	default:
		return broker.RemoteEnabled
	}
}

func (v *version) state() broker.RemoteState {
	switch {
	case v.destroyed:
		return broker.RemoteDestroyed
	case !v.deletionAt.IsZero():
		return broker.RemoteScheduled
	case v.failed != "":
		return broker.RemoteFailed
	case v.arriving != nil:
		return broker.RemoteImporting
	case v.disabled:
		return broker.RemoteDisabled
	default:
		return broker.RemoteEnabled
	}
}

// whole: all its materials are needed, as AWS has it.
func (k *key) whole() bool {
	for _, v := range k.versions {
		if !v.present {
			return false
		}
	}
	return len(k.versions) > 0
}

// usable refuses, as a Conflict, a version that cannot answer a challenge now. Where
// consumers get the newest, a disabled one still shows its public key, and outside its
// time one still decrypts, as Azure has it; Google shows that of enabled ones alone.
func (k *key) usable(v *version, c broker.Challenge, now time.Time) error {
	s := k.state(v)
	shown := k.given() == broker.GivenNewest && s == broker.RemoteDisabled && c.PublicOnly()
	switch decrypts := c.Level() == broker.ProofCipher || c.Purpose() == broker.Decrypt; {
	case s != broker.RemoteEnabled && !shown:
		return fmt.Errorf("it is %s: %w", s, broker.Conflict)
	case v == nil:
		return fmt.Errorf("it has no material: %w", broker.Conflict)
	case decrypts || c.PublicOnly():
		return nil
	case now.Before(v.validFrom):
		return fmt.Errorf("it is not valid before %s: %w", v.validFrom.Format(time.RFC3339), broker.Conflict)
	case !v.validTo.IsZero() && !now.Before(v.validTo):
		return fmt.Errorf("it was valid until %s: %w", v.validTo.Format(time.RFC3339), broker.Conflict)
	default:
		return nil
	}
}
