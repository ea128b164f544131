package azurekv

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
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
		return p.one(ctx, broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(q.Name)}})
	case q.Consumer != "":
		return p.consumed(ctx, q.Consumer)
	case q.Key != nil:
		return p.one(ctx, broker.VersionRef{Key: *q.Key})
	case q.Version != nil:
		return p.one(ctx, *q.Version)
	default:
		return p.failed(refuse(broker.Misuse, "look at", p.c.VaultURL, "the query is empty"))
	}
}

func (p *Provider) failed(err error) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) { yield(broker.Observation{}, err) }
}

// consumed is what consumers get by an id: without a version the newest.
func (p *Provider) consumed(ctx context.Context, id string) iter.Seq2[broker.Observation, error] {
	v, err := p.parse(id)
	if err != nil {
		return p.failed(err)
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
	return func(yield func(broker.Observation, error) bool) {
		got, receipt, err := p.get(ctx, call{name: "GetKey", verb: "look at", object: v.Key.ID}, v)
		switch {
		case err == nil:
			o, err := p.observe(got.Key, got.Attributes, got.Tags, receipt)
			if err == nil && (o.Version.Key != v.Key || v.ID != "" && o.Version.ID != v.ID) {
				err = p.foreign(versionID(o.Version), "asked for was "+versionID(v))
			}
			yield(o, err)
		case !errors.Is(err, broker.NotFound):
			yield(broker.Observation{}, err)
		default:
			p.deleted(ctx, v, yield)
		}
	}
}

// get fetches a version; "" is the newest.
func (p *Provider) get(ctx context.Context, c call, v broker.VersionRef) (azkeys.KeyBundle, broker.Receipt, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return azkeys.KeyBundle{}, broker.Receipt{}, err
	}
	if v.ID != "" && !versionShape.MatchString(v.ID) {
		return azkeys.KeyBundle{}, broker.Receipt{}, refuse(broker.Misuse, c.verb, c.object, "%q is not a version", v.ID)
	}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return k.GetKey(ctx, name, v.ID, nil)
	})
	return got.KeyBundle, receipt, err
}

// deleted yields a key that is deleted and whose name is not free.
func (p *Provider) deleted(ctx context.Context, v broker.VersionRef, yield func(broker.Observation, error) bool) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		yield(broker.Observation{}, err)
		return
	}
	c := call{name: "GetDeletedKey", verb: "look at", object: v.Key.ID}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.GetDeletedKeyResponse, error) {
		return k.GetDeletedKey(ctx, name, nil)
	})
	switch {
	case errors.Is(err, broker.NotFound):
		return
	case err != nil:
		yield(broker.Observation{}, err)
		return
	}
	o, err := p.observe(got.Key, got.Attributes, got.Tags, receipt)
	if err != nil {
		yield(broker.Observation{}, err)
		return
	}
	if v.ID != "" {
		o.Version.ID = v.ID // all versions are deleted together; the newest is shown
	}
	o.State, o.Raw = broker.RemoteScheduled, "deleted, and its name is not free: "+waysOut(name)
	if got.ScheduledPurgeDate != nil {
		o.DeletionAt = got.ScheduledPurgeDate.UTC()
	}
	yield(o, nil)
}

// maxPages bounds a list: 4 million entries are more than any vault holds.
const maxPages = 160_000

// pages yields the entries of a list until the service says that it ends.
func pages[R any](ctx context.Context, p *Provider, c call, pager func(*azkeys.Client) *runtime.Pager[R], entries func(R) []*azkeys.KeyProperties) iter.Seq2[*azkeys.KeyProperties, error] {
	return func(yield func(*azkeys.KeyProperties, error) bool) {
		list := pager(p.keys)
		for n := 0; list.More(); n++ {
			page, _, err := invoke(ctx, p, c, func(ctx context.Context, _ *azkeys.Client) (R, error) { return list.NextPage(ctx) })
			if err == nil && n == maxPages {
				err = incomplete(c, "does not end")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries(page) {
				if e != nil && e.KID != nil && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// everyKey yields each key of the vault, with its newest version.
func (p *Provider) everyKey(ctx context.Context) iter.Seq2[broker.Observation, error] {
	c := call{name: "ListKeys", verb: "list keys of", object: p.c.VaultURL}
	list := pages(ctx, p, c,
		func(k *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesResponse] { return k.NewListKeyPropertiesPager(nil) },
		func(r azkeys.ListKeyPropertiesResponse) []*azkeys.KeyProperties { return r.Value })
	return func(yield func(broker.Observation, error) bool) {
		for e, err := range list {
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			v, err := p.parse(string(*e.KID))
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			for o, err := range p.one(ctx, broker.VersionRef{Key: v.Key}) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// versionsOf yields every version of a key.
func (p *Provider) versionsOf(ctx context.Context, key broker.KeyRef) iter.Seq2[broker.Observation, error] {
	name, err := p.nameOf(key)
	if err != nil {
		return p.failed(err)
	}
	c := call{name: "ListKeyVersions", verb: "list versions of", object: key.ID}
	list := pages(ctx, p, c,
		func(k *azkeys.Client) *runtime.Pager[azkeys.ListKeyPropertiesVersionsResponse] {
			return k.NewListKeyPropertiesVersionsPager(name, nil)
		},
		func(r azkeys.ListKeyPropertiesVersionsResponse) []*azkeys.KeyProperties { return r.Value })
	return func(yield func(broker.Observation, error) bool) {
		for e, err := range list {
			switch {
			case errors.Is(err, broker.NotFound):
				return
			case err != nil:
				yield(broker.Observation{}, err)
				return
			}
			v, err := p.parse(string(*e.KID))
			if err == nil && (v.Key != key || v.ID == "") {
				err = p.foreign(string(*e.KID), "asked for were versions of "+key.ID)
			}
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			for o, err := range p.one(ctx, v) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// marked yields the versions, in the whole vault, that carry an effect's mark.
func (p *Provider) marked(ctx context.Context, effect string) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		for key, err := range p.everyKey(ctx) {
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			if key.Name == "" && key.Effect == "" {
				continue // none of its versions is ours unless the newest is marked
			}
			for o, err := range p.versionsOf(ctx, key.Version.Key) {
				if err == nil && o.Effect != effect {
					continue
				}
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// observe says in common words what the vault shows of a version.
func (p *Provider) observe(k *azkeys.JSONWebKey, a *azkeys.KeyAttributes, tags map[string]*string, receipt broker.Receipt) (broker.Observation, error) {
	c := call{verb: "look at", object: p.c.VaultURL}
	if k == nil || k.KID == nil || a == nil {
		return broker.Observation{}, incomplete(c, "has no id or attributes")
	}
	v, err := p.parse(string(*k.KID))
	if err != nil {
		return broker.Observation{}, err
	}
	all, customers := values(tags)
	var ops []azkeys.KeyOperation
	for _, o := range k.KeyOps {
		ops = append(ops, *o)
	}
	o := broker.Observation{
		Version: v, Effect: all[tagEffect], Name: all[tagKey], KeyID: all[tagKeyID], Origin: broker.OriginExternal, State: broker.RemoteEnabled,
		Raw: "enabled", HasMaterial: true, Spec: specOf(k, bitsOf(k, all)), PolicyMatch: true, Tags: customers,
		Consumers: []string{v.Key.ID}, Receipt: receipt, SeenAt: p.seenAt(receipt),
	}
	o.Purpose = purposeOf(o.Spec, ops)
	if all[tagKeyID] == "" {
		o.Origin = broker.OriginProvider // Azure does not say; what we did not import was not ours
	}
	if a.Enabled != nil && !*a.Enabled {
		o.State, o.Raw = broker.RemoteDisabled, "disabled"
	}
	o.CreatedAt, o.ValidFrom, o.ValidTo = utc(a.Created), utc(a.NotBefore), utc(a.Expires)
	if !o.ValidTo.IsZero() && !o.ValidTo.After(p.c.Now()) {
		o.Raw = fmt.Sprintf("%s, past its end", o.Raw)
	}
	return o, nil
}
