package azurekv

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Bounds of a list: 4 million entries are more than any vault holds, and nobody sends
// so many pages with nothing on them.
const (
	maxPages      = 160_000
	maxEmptyPages = 1000
)

// pages yields the entries of a list until the service says that it ends.
func pages[R, E any](ctx context.Context, p *Provider, c call, list *runtime.Pager[R], entries func(R) ([]*E, *string)) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		empty, seen := 0, map[string]bool{}
		for n := 0; list.More(); n++ {
			page, _, err := invoke(ctx, p, c, func(ctx context.Context, _ *azkeys.Client) (R, error) { return list.NextPage(ctx) })
			all, next := entries(page)
			if empty++; len(all) > 0 {
				empty = 0
			}
			switch again := next != nil && *next != "" && seen[*next]; {
			case err == nil && all == nil:
				err = incomplete(c, "has no list: that nothing is there must be said")
			case err == nil && (again || n == maxPages || empty == maxEmptyPages):
				err = incomplete(c, "does not end")
			case next != nil:
				seen[*next] = true
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range all {
				if e != nil && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// keyRefs yields the ids of the vault's keys.
func (p *Provider) keyRefs(ctx context.Context) iter.Seq2[broker.KeyRef, error] {
	c := call{name: "ListKeys", verb: "list keys of", object: p.c.VaultURL}
	return func(yield func(broker.KeyRef, error) bool) {
		for e, err := range pages(ctx, p, c, p.keys.NewListKeyPropertiesPager(nil), func(r azkeys.ListKeyPropertiesResponse) ([]*azkeys.KeyProperties, *string) {
			return r.Value, r.NextLink
		}) {
			if err != nil {
				yield(broker.KeyRef{}, err)
				return
			}
			v, err := p.listed(c, e.KID)
			if !yield(v.Key, err) || err != nil {
				return
			}
		}
	}
}

// listed is what an entry of a list is about.
func (p *Provider) listed(c call, kid *azkeys.ID) (broker.VersionRef, error) {
	if kid == nil {
		return broker.VersionRef{}, incomplete(c, "has an entry without an id")
	}
	return p.parse(string(*kid))
}

// versionEntry is one version in the list of a key's.
type versionEntry struct {
	ref        broker.VersionRef
	attributes *azkeys.KeyAttributes
	tags       map[string]*string
}

// isDisabled: the newest version is, where the vault does not show it for that.
func (e versionEntry) isDisabled() bool {
	return e.attributes != nil && e.attributes.Enabled != nil && !*e.attributes.Enabled
}

// created, in whole seconds: no order of versions made within one.
func (e versionEntry) created() time.Time {
	if e.attributes == nil {
		return time.Time{}
	}
	return utc(e.attributes.Created)
}

// versionRefs yields the ids of a key's versions, with what a list has of them; nothing where there
// is no such key, or a deleted one.
func (p *Provider) versionRefs(ctx context.Context, key broker.KeyRef) iter.Seq2[versionEntry, error] {
	return func(yield func(versionEntry, error) bool) {
		name, err := p.nameOf(key)
		if err != nil {
			yield(versionEntry{}, err)
			return
		}
		c := call{name: "ListKeyVersions", verb: "list versions of", object: key.ID, key: name}
		for e, err := range pages(ctx, p, c, p.keys.NewListKeyPropertiesVersionsPager(name, nil), func(r azkeys.ListKeyPropertiesVersionsResponse) ([]*azkeys.KeyProperties, *string) {
			return r.Value, r.NextLink
		}) {
			if errors.Is(err, broker.NotFound) {
				return
			}
			var entry versionEntry
			if err == nil {
				entry.attributes, entry.tags = e.Attributes, e.Tags
				entry.ref, err = p.listed(c, e.KID)
			}
			if err == nil && (entry.ref.Key != key || entry.ref.ID == "") {
				err = p.foreign(string(*e.KID), "asked for were versions of "+key.ID)
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}
