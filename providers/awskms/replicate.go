package awskms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// replicate makes a replica here of a primary in another region: without material,
// under this target's key policy, with the effect's tag. It is asked of the primary's
// region; after an unclear answer, Look finds it in this one.
func (p *Provider) replicate(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	c := call{name: "ReplicateKey", verb: "make a replica of", object: in.Replica.ID, changes: true}
	tags, err := p.checkPrepare(c, e, in)
	if err != nil {
		return broker.Prepared{}, err
	}
	client, _, err := p.primary(c, in.Replica.ID)
	if err != nil {
		return broker.Prepared{}, err
	}
	out, receipt, err := invoke(ctx, p, c, client.ReplicateKey, &kms.ReplicateKeyInput{
		KeyId: &in.Replica.ID, ReplicaRegion: &p.c.Region, Description: description(in), Policy: &p.policy.document, Tags: tags,
	})
	if err != nil {
		return broker.Prepared{}, p.aboutReplicas(err)
	}
	if err := p.checkReplica(c, in, out.ReplicaKeyMetadata); err != nil {
		return broker.Prepared{}, err
	}
	ref := broker.KeyRef{ID: *out.ReplicaKeyMetadata.Arn}
	p.until(ctx, ref.ID, func(k *types.KeyMetadata) bool { return k.KeyState != types.KeyStateCreating })
	return broker.Prepared{Key: ref, PolicyHash: p.policy.hash, Receipt: receipt}, nil
}

// checkReplica reads back what was asked for: the same key in this region.
func (p *Provider) checkReplica(c call, in broker.PrepareIn, made *types.KeyMetadata) error {
	if err := p.checkMade(c, in, made); err != nil {
		return err
	}
	if *keyID(*made.Arn) != *keyID(in.Replica.ID) {
		return p.foreign(*made.Arn, fmt.Errorf("the answer is about another key than a replica of %s", in.Replica.ID))
	}
	relatives := made.MultiRegionConfiguration
	if relatives == nil || relatives.PrimaryKey == nil {
		return incomplete(c, "multi-Region configuration")
	}
	if primary := deref(relatives.PrimaryKey.Arn); primary != in.Replica.ID || relatives.MultiRegionKeyType != types.MultiRegionKeyTypeReplica {
		return p.foreign(*made.Arn, fmt.Errorf("it is a %s of %q", relatives.MultiRegionKeyType, primary))
	}
	return nil
}

// aboutReplicas says of a refusal what a person can do.
func (p *Provider) aboutReplicas(err error) error {
	e, ok := errors.AsType[*broker.Error](err)
	if !ok {
		return err
	}
	_, exists := errors.AsType[*types.AlreadyExistsException](err)
	switch {
	case exists:
		e.Hint = "there is a replica of it in " + p.c.Region + " already, one a region is all: cancel its deletion, or wait for that and try again"
	case e.Kind == broker.Conflict:
		e.Hint = "a primary must be enabled to get a replica: import into it first, and enable it"
	case e.Kind == broker.Unsupported:
		e.Hint = "replicas are made of the primary key alone, in the region it is in by now"
	}
	return err
}

// related checks the ARNs of a multi-Region key's relatives: the same key in other
// regions; else it is Tampered.
func (p *Provider) related(meta *types.KeyMetadata) error {
	relatives := meta.MultiRegionConfiguration
	if relatives == nil {
		return nil
	}
	all := relatives.ReplicaKeys
	if relatives.PrimaryKey != nil {
		all = append([]types.MultiRegionKey{*relatives.PrimaryKey}, all...)
	}
	for _, r := range all {
		if err := p.ourIn(deref(r.Region), deref(r.Arn)); err != nil {
			return err
		}
		if *keyID(*r.Arn) != *keyID(*meta.Arn) {
			return p.foreign(*r.Arn, fmt.Errorf("it is said to be the same key as %s", *meta.Arn))
		}
	}
	return nil
}

// material is the id of what a primary holds: its replicas take that, and nothing else.
func (p *Provider) material(ctx context.Context, primary string) (string, error) {
	c := call{name: "DescribeKey", verb: "describe primary", object: primary}
	client, region, err := p.primary(c, primary)
	if err != nil {
		return "", err
	}
	out, _, err := invoke(ctx, p, c, client.DescribeKey, &kms.DescribeKeyInput{KeyId: &primary})
	switch {
	case err != nil:
		return "", err
	case out.KeyMetadata == nil || out.KeyMetadata.Arn == nil:
		return "", incomplete(c, "key metadata")
	case *out.KeyMetadata.Arn != primary:
		return "", p.foreign(*out.KeyMetadata.Arn, fmt.Errorf("the answer is about another key than %s", primary))
	case deref(out.KeyMetadata.CurrentKeyMaterialId) == "":
		return "", refuse(broker.Conflict, c.verb, primary, "it has no material in %s, whose replica takes the same: import there first", region)
	}
	return *out.KeyMetadata.CurrentKeyMaterialId, nil
}

// deletedLast says what AWS's order is where a multi-Region key cannot be scheduled for
// deletion (Developer Guide, "Deleting multi-Region keys").
func deletedLast(key string, err error) error {
	e, ok := errors.AsType[*broker.Error](err)
	if ok && (e.Kind == broker.Conflict || e.Kind == broker.Unsupported) && strings.Contains(key, ":key/"+multiRegionPrefix) {
		e.Hint = "a multi-Region primary is deleted after its replicas: schedule them first, each in its region; the primary's waiting period begins when the last is gone"
	}
	return err
}
