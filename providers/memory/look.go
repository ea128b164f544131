package memory

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Look yields what is there at the moment it is called.
func (p *Provider) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		var seen []broker.Observation
		err := p.read(ctx, "look", "this target", func() error {
			seen = p.look(q)
			return nil
		})
		if err != nil {
			yield(broker.Observation{}, err)
			return
		}
		for _, o := range seen {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (p *Provider) look(q broker.Query) []broker.Observation {
	var seen []broker.Observation
	receipt := p.receipt("look")
	for _, k := range p.keys {
		if k.destroyed {
			continue
		}
		for _, v := range p.chosen(k, q) {
			o := p.observe(k, v)
			o.Receipt, o.SeenAt = receipt, receipt.ServerTime
			seen = append(seen, o)
		}
	}
	return seen
}

// chosen are the versions of a key that a query is about; a nil one is the key
// without any.
func (p *Provider) chosen(k *key, q broker.Query) []*version {
	current := []*version{k.version("")}
	switch {
	case q.All, q.Key != nil && q.Key.ID == k.ref.ID, q.Name != "" && q.Name == k.in.RemoteName:
		return current
	case q.Consumer != "":
		if v, ok := p.consumedOf(k, q.Consumer); ok {
			return []*version{v}
		}
	case q.Effect != "" && k.effect == q.Effect:
		return current
	case q.Effect != "":
		return slices.DeleteFunc(slices.Clone(k.versions), func(v *version) bool { return v.effect != q.Effect })
	case q.Versions != nil && q.Versions.ID == k.ref.ID:
		return k.versions
	case q.Version != nil && q.Version.Key.ID == k.ref.ID:
		if v := k.version(q.Version.ID); v != nil || q.Version.ID == "" {
			return []*version{v}
		}
	}
	return nil
}

func (p *Provider) observe(k *key, v *version) broker.Observation {
	caps, of := p.c.Capabilities, k.in
	if v != nil && caps.ImportMarks {
		of = v.of
	}
	state := k.state(v)
	o := broker.Observation{
		Version: broker.VersionRef{Key: k.ref}, Effect: k.effect, Name: of.Name, KeyID: of.KeyID, Origin: k.origin,
		State: state, Raw: string(state), Spec: k.in.Spec, Purpose: k.in.Purpose,
		PolicyMatch: k.policy || k.apart(), Consumers: p.names(k, v), Tags: maps.Clone(of.Tags),
		CreatedAt: k.createdAt, DeletionAt: k.deletionAt, Replica: k.in.Replica != nil,
	}
	if v == nil {
		return o
	}
	o.Version.ID, o.HasMaterial = v.id, v.present
	if v.present {
		o.ValidFrom, o.ValidTo = v.validFrom, v.validTo
	}
	if caps.ImportMarks || !k.apart() && (len(k.versions) > 1 || k.in.Mode == broker.SameKey) {
		o.Effect = v.effect
	}
	o.Consumer = k.consumer(v)
	o.Restorable = caps.Deletion.KeysStay && v.destroyed
	if k.apart() {
		o.CreatedAt, o.Reason = v.createdAt, v.failed
		if o.DeletionAt.IsZero() {
			o.DeletionAt = v.deletionAt
		}
	}
	if caps.ImportLists {
		o.Batch = v.batch
	}
	return o
}
