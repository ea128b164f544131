package memory

import (
	"cmp"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// Plant is what somebody else does at the target: a key that carries marks which
// are not theirs, or a name that leads elsewhere.
type Plant struct {
	Effect   string // marked with it
	Batch    string // imported under it, where versions say so
	In       broker.PrepareIn
	Origin   broker.Origin // "" is external
	Policy   bool          // under the key policy this provider sends
	Material []byte        // raw secret or PKCS#8; nil none
	Consumer string        // now leads to it, where names do
}

// Plant makes a key behind the broker's back, or, where there is one of its name
// already, a version of that.
func (p *Provider) Plant(plant Plant) (broker.KeyRef, error) {
	var ref broker.KeyRef
	err := p.locked(func() error {
		k, err := p.find(p.refOf(plant.In).ID)
		if err != nil {
			k = p.newKey(plant.In)
			k.effect, k.policy = plant.Effect, plant.Policy
			k.origin = cmp.Or(plant.Origin, broker.OriginExternal)
			p.keep(k)
		}
		ref = k.ref
		if plant.Consumer != "" {
			p.consumers[plant.Consumer] = ref.ID
		}
		if plant.Material == nil {
			return nil
		}
		return p.plantVersion(k, plant)
	})
	return ref, err
}

func (p *Provider) plantVersion(k *key, plant Plant) error {
	m, err := materialOf(plant.Material, k.in.Spec)
	if err != nil {
		return err
	}
	v := p.add(k, broker.ImportIn{Of: plant.In}, m)
	v.effect, v.batch = plant.Effect, plant.Batch
	v.take(m)
	return nil
}

// Replace exchanges the material of a key behind the broker's back; the version
// keeps its id.
func (p *Provider) Replace(ref broker.KeyRef, raw []byte) error {
	return p.locked(func() error {
		k, err := p.find(ref.ID)
		if err != nil {
			return fmt.Errorf("replace material of %s: %w", ref.ID, err)
		}
		m, err := materialOf(raw, k.in.Spec)
		if err != nil {
			return err
		}
		v := k.version("")
		if v == nil {
			v = p.add(k, broker.ImportIn{}, m)
		}
		v.take(m)
		return nil
	})
}

func materialOf(raw []byte, spec broker.KeySpec) (material, error) {
	if spec.Secret() {
		return material{raw: raw}, nil
	}
	pair, err := parsePair(raw, spec)
	return material{raw: raw, pair: pair}, err
}
