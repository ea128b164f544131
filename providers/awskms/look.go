package awskms

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// Look observes. An effect is found by its tag among all keys of the account and
// region. A key that we may not read is left out while it is looked for, and comes
// last, without anything but its name, where everything is asked for; where no key
// can be read, that is the answer.
func (p *Provider) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	switch {
	case q.All:
		return p.scan(ctx, "")
	case q.Effect != "":
		return p.scan(ctx, q.Effect)
	case q.Key != nil:
		return p.one(ctx, *q.Key, "", "")
	case q.Versions != nil:
		return p.one(ctx, *q.Versions, "", "")
	case q.Version != nil:
		return p.one(ctx, q.Version.Key, q.Version.ID, "")
	default:
		return p.one(ctx, broker.KeyRef{}, "", q.Consumer)
	}
}

// one yields a key, asked for by its own name or by an alias. version, where it is
// said, must be the material that the key has, or had.
func (p *Provider) one(ctx context.Context, key broker.KeyRef, version, alias string) iter.Seq2[broker.Observation, error] {
	return func(yield func(broker.Observation, error) bool) {
		o, ok, err := p.lookAt(ctx, key, alias)
		switch {
		case err != nil:
			yield(broker.Observation{}, err)
		case !ok:
		case version == "" || o.Version.ID == version:
			yield(o, nil)
		case o.Version.ID == "":
			o.Version.ID = version
			yield(o, nil)
		}
	}
}

func (p *Provider) lookAt(ctx context.Context, key broker.KeyRef, alias string) (broker.Observation, bool, error) {
	id := key.ID
	if alias != "" {
		if !aliasRule().Allows(alias) {
			return broker.Observation{}, false, nil // nothing can have that name
		}
		id = alias
	} else if err := p.ours(key.ID); err != nil {
		return broker.Observation{}, false, err
	}
	meta, receipt, err := p.describe(ctx, id)
	if err != nil || meta == nil {
		return broker.Observation{}, false, err
	}
	aliases, err := p.aliases(ctx, meta.Arn)
	if err != nil {
		return broker.Observation{}, false, missingOrErr(err)
	}
	o, err := p.observe(ctx, meta, receipt)
	o.Consumers = aliases[deref(meta.KeyId)]
	return o, err == nil, missingOrErr(err)
}

// missingOrErr is nil for NotFound: what vanished while we looked is not there.
func missingOrErr(err error) error {
	if errors.Is(err, broker.NotFound) {
		return nil
	}
	return err
}

// describe is a key's metadata; nil where there is no such key or alias.
func (p *Provider) describe(ctx context.Context, id string) (*types.KeyMetadata, broker.Receipt, error) {
	c := call{name: "DescribeKey", verb: "describe", object: id}
	out, receipt, err := invoke(ctx, p, c, p.kms.DescribeKey, &kms.DescribeKeyInput{KeyId: &id})
	switch {
	case errors.Is(err, broker.NotFound):
		return nil, receipt, nil
	case err != nil:
		return nil, receipt, err
	case out.KeyMetadata == nil || out.KeyMetadata.Arn == nil:
		return nil, receipt, incomplete(c, "key metadata")
	}
	check := p.ours(*out.KeyMetadata.Arn)
	if strings.HasPrefix(id, "arn:") {
		check = p.same(c, id, out.KeyMetadata.Arn)
	}
	if check == nil {
		check = p.related(out.KeyMetadata)
	}
	return out.KeyMetadata, receipt, check
}

// observe completes metadata with tags and key policy.
func (p *Provider) observe(ctx context.Context, meta *types.KeyMetadata, receipt broker.Receipt) (broker.Observation, error) {
	o := p.observation(meta, receipt)
	tags, err := p.tags(ctx, *meta.Arn)
	if err != nil {
		return o, err
	}
	p.mark(&o, tags)
	policy, _, err := invoke(ctx, p, call{name: "GetKeyPolicy", verb: "read key policy of", object: *meta.Arn}, p.kms.GetKeyPolicy,
		&kms.GetKeyPolicyInput{KeyId: meta.Arn, PolicyName: new("default")})
	if err != nil {
		return o, err
	}
	if canonical, err := CanonicalPolicy(deref(policy.Policy)); err == nil {
		o.PolicyHash = hashPolicy(canonical)
	} else {
		o.PolicyHash = hashPolicy(deref(policy.Policy)) // never ours, and different when it changes
	}
	o.PolicyMatch = o.PolicyHash == p.policy.hash
	return o, nil
}

// observation says metadata in common words.
func (p *Provider) observation(meta *types.KeyMetadata, receipt broker.Receipt) broker.Observation {
	spec := specOf(meta.KeySpec, p.c.Partition)
	o := broker.Observation{
		Version: broker.VersionRef{Key: broker.KeyRef{ID: *meta.Arn}, ID: deref(meta.CurrentKeyMaterialId)},
		Origin:  broker.OriginProvider, State: stateOf(meta.KeyState), Raw: string(meta.KeyState),
		Spec: spec, Purpose: purposeOf(spec, meta.KeyUsage), SeenAt: endpoint.SeenAt(receipt, p.c.Now()), Receipt: receipt,
	}
	if meta.Origin == types.OriginTypeExternal {
		o.Origin = broker.OriginExternal
	}
	o.HasMaterial = o.Origin != broker.OriginExternal || o.State == broker.RemoteEnabled || o.State == broker.RemoteDisabled ||
		(o.State == broker.RemoteScheduled || o.State == broker.RemoteUpdating) && meta.ExpirationModel != ""
	if meta.MultiRegionConfiguration != nil {
		o.Replica = meta.MultiRegionConfiguration.MultiRegionKeyType == types.MultiRegionKeyTypeReplica
	}
	if days := meta.PendingDeletionWindowInDays; days != nil && meta.KeyState == types.KeyStatePendingReplicaDeletion {
		o.Reason = fmt.Sprintf("its waiting period of %d days begins when its last replica is deleted", *days)
	}
	if meta.CreationDate != nil {
		o.CreatedAt = meta.CreationDate.UTC()
	}
	if meta.ValidTo != nil && o.HasMaterial {
		o.ValidTo = meta.ValidTo.UTC()
	}
	if meta.DeletionDate != nil {
		o.DeletionAt = meta.DeletionDate.UTC()
	}
	return o
}

// mark splits tags into the broker's marks and the customer's own.
func (p *Provider) mark(o *broker.Observation, tags map[string]string) {
	o.Effect, o.Name, o.KeyID = tags[tagEffect], tags[tagName], tags[tagKeyID]
	maps.DeleteFunc(tags, func(key, _ string) bool { return strings.HasPrefix(key, tagPrefix) })
	o.Tags = tags
}

// tags of a key.
func (p *Provider) tags(ctx context.Context, key string) (map[string]string, error) {
	tags := map[string]string{}
	c := call{name: "ListResourceTags", verb: "list tags of", object: key}
	err := pages(c, func(marker *string) (bool, *string, error) {
		out, _, err := invoke(ctx, p, c, p.kms.ListResourceTags, &kms.ListResourceTagsInput{KeyId: &key, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, t := range out.Tags {
			tags[deref(t.TagKey)] = deref(t.TagValue)
		}
		return out.Truncated, out.NextMarker, nil
	})
	return tags, err
}

// aliases by key id, sorted: of one key, or of all.
func (p *Provider) aliases(ctx context.Context, key *string) (map[string][]string, error) {
	names := map[string][]string{}
	c := call{name: "ListAliases", verb: "list aliases of", object: p.String()}
	err := pages(c, func(marker *string) (bool, *string, error) {
		out, _, err := invoke(ctx, p, c, p.kms.ListAliases, &kms.ListAliasesInput{KeyId: key, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, a := range out.Aliases {
			id := deref(a.TargetKeyId)
			names[id] = append(names[id], deref(a.AliasName))
		}
		return out.Truncated, out.NextMarker, nil
	})
	for _, list := range names {
		slices.Sort(list)
	}
	return names, err
}

// pages calls f for each page. A page may be short or empty: only Truncated counts.
func pages(c call, f func(marker *string) (truncated bool, next *string, err error)) error {
	var marker *string
	for {
		truncated, next, err := f(marker)
		switch {
		case err != nil || !truncated:
			return err
		case deref(next) == "" || deref(next) == deref(marker):
			return incomplete(c, fmt.Sprintf("way to the next page after %q", deref(marker)))
		}
		marker = next
	}
}
