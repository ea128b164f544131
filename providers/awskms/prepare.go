package awskms

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// Prepare makes an empty key with origin EXTERNAL, tagged with the effect and under
// the target's key policy; a replica where PrepareIn.Replica says of what. It makes
// another one each time it is called: after an unclear answer, Look finds what was made.
func (p *Provider) Prepare(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	if in.Replica != nil {
		return p.replicate(ctx, e, in)
	}
	c := call{name: "CreateKey", verb: "create key", object: in.Name, changes: true}
	tags, err := p.checkPrepare(c, e, in)
	if err != nil {
		return broker.Prepared{}, err
	}
	out, receipt, err := invoke(ctx, p, c, p.kms.CreateKey, &kms.CreateKeyInput{
		Description: description(in), KeySpec: specWords[in.Spec], KeyUsage: usageOf(in.Purpose), Origin: types.OriginTypeExternal,
		MultiRegion: unlessFalse(in.MultiRegion), Policy: &p.policy.document, Tags: tags,
	})
	if err != nil {
		return broker.Prepared{}, err
	}
	if err := p.checkMade(c, in, out.KeyMetadata); err != nil {
		return broker.Prepared{}, err
	}
	ref := broker.KeyRef{ID: *out.KeyMetadata.Arn}
	p.until(ctx, ref.ID, func(*types.KeyMetadata) bool { return true })
	return broker.Prepared{Key: ref, PolicyHash: p.policy.hash, Receipt: receipt}, nil
}

func description(in broker.PrepareIn) *string {
	return new(fmt.Sprintf("keyferry key %s, version %d", in.Name, in.Number))
}

// unlessFalse leaves a member out that says what is so anyway.
func unlessFalse(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}

// checkPrepare refuses what can be refused without asking, and makes the tags.
func (p *Provider) checkPrepare(c call, e broker.Effect, in broker.PrepareIn) ([]types.Tag, error) {
	switch {
	case in.Mode == broker.SameKey:
		return nil, refuse(broker.Unsupported, c.verb, c.object, "further versions of a key are not made in place")
	case in.Replica != nil && in.MultiRegion:
		return nil, refuse(broker.Misuse, c.verb, c.object, "a replica has no replicas: all of a key's are made of its primary")
	case in.Algorithm != "":
		return nil, refuse(broker.Unsupported, c.verb, c.object, "what a key computes is its spec's at AWS KMS, not %q", in.Algorithm)
	case !p.Capabilities().Takes(in.Spec, in.Purpose):
		return nil, refuse(broker.Unsupported, c.verb, c.object, "AWS KMS takes no %s for %s: %s", in.Spec, in.Purpose, p.c.unsupported(in.Spec))
	}
	tags, err := tagsFor(e, in)
	if err != nil {
		return nil, refuse(broker.Misuse, c.verb, c.object, "%w", err)
	}
	return tags, nil
}

// checkMade reads back what was asked for.
func (p *Provider) checkMade(c call, in broker.PrepareIn, made *types.KeyMetadata) error {
	if made == nil || made.Arn == nil {
		return incomplete(c, "key metadata")
	}
	if err := p.ours(*made.Arn); err != nil {
		return err
	}
	several := in.MultiRegion || in.Replica != nil
	if made.Origin != types.OriginTypeExternal || made.KeySpec != specWords[in.Spec] || made.KeyUsage != usageOf(in.Purpose) {
		return refuse(broker.Conflict, c.verb, *made.Arn, "it was made as %s for %s with origin %s", made.KeySpec, made.KeyUsage, made.Origin)
	}
	if is := made.MultiRegion != nil && *made.MultiRegion; is != several {
		return refuse(broker.Conflict, c.verb, *made.Arn, "it was made with multi-Region %t, asked was %t", is, several)
	}
	return nil
}
