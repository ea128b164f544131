package azurekv

import (
	"context"
	"errors"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Look observes. A key is seen with its newest version; a deleted one as scheduled for
// deletion.
func (p *Provider) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	switch {
	case q.All:
		return p.everyKey(ctx)
	case q.Effect != "":
		return p.marked(ctx, q.Effect)
	case q.Versions != nil:
		return p.versionsOf(ctx, *q.Versions)
	case q.Name != "":
		return p.named(ctx, q.Name)
	case q.Consumer != "":
		return p.consumed(ctx, q.Consumer)
	case q.Key != nil:
		return p.one(ctx, broker.VersionRef{Key: *q.Key})
	case q.Version != nil:
		return p.one(ctx, *q.Version)
	default:
		return failed(refuse(broker.Misuse, "look at", p.c.VaultURL, "the query is empty"))
	}
}

func failed(err error) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) { yield(broker.Observation{}, err) }
}

func nothing(func(broker.Observation, error) bool) {}

// named is what has a name, deleted or not.
func (p *Provider) named(ctx context.Context, name string) iter.Seq2[broker.Observation, error] {
	if !nameShape().MatchString(name) {
		return nothing
	}
	return p.one(ctx, broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(name)}})
}

// consumed is what consumers get by an id: without a version the newest.
func (p *Provider) consumed(ctx context.Context, id string) iter.Seq2[broker.Observation, error] {
	if !isKeyID(id) {
		return nothing
	}
	v, err := p.parse(id)
	if err != nil {
		return failed(err)
	}
	return func(yield func(broker.Observation, error) bool) {
		for o, err := range p.one(ctx, v) {
			if err == nil && o.State == broker.RemoteScheduled {
				continue // nobody gets what is deleted
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// one is a version, or the newest of a key; else the deleted key of that name.
func (p *Provider) one(ctx context.Context, v broker.VersionRef) iter.Seq2[broker.Observation, error] {
	if _, err := p.nameOf(v.Key); err != nil {
		return failed(err)
	}
	if v.ID != "" && !versionShape().MatchString(v.ID) {
		return nothing // no version has such an id
	}
	return func(yield func(broker.Observation, error) bool) {
		got, receipt, err := p.get(ctx, p.reading("look at", v), v)
		switch {
		case errors.Is(err, broker.NotFound):
			p.deleted(ctx, v, yield)
		case shutAway(err):
			p.disabled(ctx, v, yield)
		case err != nil:
			yield(broker.Observation{}, err)
		default:
			o, err := p.observe(seen{got.Key, got.Attributes, got.Tags, receipt})
			if err == nil && (o.Version.Key != v.Key || v.ID != "" && o.Version.ID != v.ID) {
				err = p.foreign(versionID(o.Version), "asked for was "+versionID(v))
			}
			yield(o, err)
		}
	}
}

// reading is a get of a version, or of the newest.
func (p *Provider) reading(verb string, v broker.VersionRef) call {
	name, _ := p.nameOf(v.Key) // get refuses what is none
	return call{name: "GetKey", verb: verb, object: versionID(v), key: name}
}

// get fetches a version; "" is the newest.
func (p *Provider) get(ctx context.Context, c call, v broker.VersionRef) (azkeys.KeyBundle, broker.Receipt, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return azkeys.KeyBundle{}, broker.Receipt{}, err
	}
	if v.ID != "" && !versionShape().MatchString(v.ID) {
		return azkeys.KeyBundle{}, broker.Receipt{}, refuse(broker.NotFound, c.verb, c.object, "%q is not the id of a version", plain(v.ID))
	}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return k.GetKey(ctx, name, v.ID, nil)
	})
	return got.KeyBundle, receipt, err
}

// getDeleted fetches a key that is deleted, and whose name is not free.
func (p *Provider) getDeleted(ctx context.Context, key broker.KeyRef) (azkeys.DeletedKey, broker.Receipt, error) {
	name, err := p.nameOf(key)
	if err != nil {
		return azkeys.DeletedKey{}, broker.Receipt{}, err
	}
	c := call{name: "GetDeletedKey", verb: "look at", object: key.ID, key: name}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.GetDeletedKeyResponse, error) {
		return k.GetDeletedKey(ctx, name, nil)
	})
	return got.DeletedKey, receipt, err
}

// deleted yields a key that is deleted. All its versions are deleted together, and only
// the newest is shown: of another one nothing more is known.
func (p *Provider) deleted(ctx context.Context, v broker.VersionRef, yield func(broker.Observation, error) bool) {
	got, receipt, err := p.getDeleted(ctx, v.Key)
	if errors.Is(err, broker.NotFound) {
		return
	}
	if err != nil {
		yield(broker.Observation{}, err)
		return
	}
	o, err := p.observe(seen{got.Key, got.Attributes, got.Tags, receipt})
	if err == nil && o.Version.Key != v.Key {
		err = p.foreign(versionID(o.Version), "asked for was "+versionID(v))
	}
	if v.ID != "" && o.Version.ID != v.ID {
		o = broker.Observation{Version: v, Spec: o.Spec, Purpose: o.Purpose, Receipt: receipt, SeenAt: o.SeenAt}
	}
	yield(scheduled(o, got.ScheduledPurgeDate), err)
}
