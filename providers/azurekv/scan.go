package azurekv

import (
	"context"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// everyKey yields each key of the vault with its newest version, then those that are
// deleted.
func (p *Provider) everyKey(ctx context.Context) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		shown := map[broker.KeyRef]bool{}
		for key, err := range p.keyRefs(ctx) {
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			shown[key] = true
			for o, err := range p.one(ctx, broker.VersionRef{Key: key}) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
		for o, err := range p.deletedKeys(ctx) {
			if err == nil && shown[o.Version.Key] {
				continue // deleted meanwhile
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// deletedKeys yields the keys that are deleted and not purged.
func (p *Provider) deletedKeys(ctx context.Context) iter.Seq2[broker.Observation, error] {
	c := call{name: "ListDeletedKeys", verb: "list deleted keys of", object: p.c.VaultURL}
	list := pages(ctx, p, c, p.keys.NewListDeletedKeyPropertiesPager(nil), func(r azkeys.ListDeletedKeyPropertiesResponse) ([]*azkeys.DeletedKeyProperties, *string) {
		return r.Value, r.NextLink
	})
	return func(yield func(broker.Observation, error) bool) {
		for e, err := range list {
			var o broker.Observation
			if err == nil {
				o, err = p.deletedEntry(c, e)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

func (p *Provider) deletedEntry(c call, e *azkeys.DeletedKeyProperties) (broker.Observation, error) {
	v, err := p.listed(c, e.KID)
	if err != nil {
		return broker.Observation{}, err
	}
	return scheduled(p.observeEntry(broker.VersionRef{Key: v.Key}, e.Attributes, e.Tags), e.ScheduledPurgeDate), nil
}

// versionsOf yields every version of a key.
func (p *Provider) versionsOf(ctx context.Context, key broker.KeyRef) iter.Seq2[broker.Observation, error] {
	return p.versionsIf(ctx, key, func(map[string]*string) bool { return true })
}

// versionsIf yields those whose tags suit.
func (p *Provider) versionsIf(ctx context.Context, key broker.KeyRef, suits func(map[string]*string) bool) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		for entry, err := range p.versionRefs(ctx, key) {
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			if !suits(entry.tags) {
				continue
			}
			for o, err := range p.one(ctx, entry.ref) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// marked yields the versions, in the whole vault, that carry an effect's mark. KEKs
// carry one too; each key's list is read, since a newer version may have no mark.
func (p *Provider) marked(ctx context.Context, effect string) iter.Seq2[broker.Observation, error] {
	carries := func(tags map[string]*string) bool { return tags[tagEffect] != nil && *tags[tagEffect] == effect }
	return func(yield func(broker.Observation, error) bool) {
		for key, err := range p.keyRefs(ctx) {
			if err != nil {
				yield(broker.Observation{}, err)
				return
			}
			for o, err := range p.versionsIf(ctx, key, carries) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}
