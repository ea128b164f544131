package memory

import (
	"fmt"
	"maps"

	"github.com/keyferry/keyferry/broker"
)

// Plant is what somebody else does at the target: a key that carries marks which
// are not theirs, or a name that leads elsewhere.
type Plant struct {
	Effect   string // marked with it
	In       broker.PrepareIn
	Origin   broker.Origin // "" is external
	Policy   bool          // under the key policy this provider sends
	Material []byte        // raw secret or PKCS#8; nil none
	Consumer string        // now leads to it
}

// Plant makes a key behind the broker's back.
func (p *Provider) Plant(plant Plant) (broker.KeyRef, error) {
	k := &key{effect: plant.Effect, in: plant.In, origin: plant.Origin, policy: plant.Policy}
	k.in.Tags = maps.Clone(plant.In.Tags)
	if k.origin == "" {
		k.origin = broker.OriginExternal
	}
	err := p.locked(func() error {
		p.make(k)
		if plant.Consumer != "" {
			p.consumers[plant.Consumer] = k.ref.ID
		}
		if plant.Material == nil {
			return nil
		}
		return p.put(k, plant.Material)
	})
	return k.ref, err
}

// Replace exchanges the material of a key behind the broker's back; the version
// keeps its id.
func (p *Provider) Replace(ref broker.KeyRef, raw []byte) error {
	return p.locked(func() error {
		k, err := p.find(ref.ID)
		if err != nil {
			return fmt.Errorf("replace material of %s: %w", ref.ID, err)
		}
		return p.put(k, raw)
	})
}

func (p *Provider) put(k *key, raw []byte) error {
	m := material{raw: raw}
	if !k.in.Spec.Secret() {
		pair, err := parsePair(raw, k.in.Spec)
		if err != nil {
			return err
		}
		m.pair = pair
	}
	if len(k.versions) == 0 {
		k.add(m, broker.Effect{}, p.c.Capabilities.Specs[k.in.Spec])
	}
	v := k.versions[k.current]
	v.material, v.sha256, v.present = m, m.sha256(), true
	return nil
}
