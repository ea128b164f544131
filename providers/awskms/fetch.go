package awskms

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// WrappingKey fetches new import parameters, good for 24 hours. AWS makes new ones
// each time, and one is used for one import.
func (p *Provider) WrappingKey(ctx context.Context, _ broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	key, m := in.Key, in.Mechanism
	c := call{name: "GetParametersForImport", verb: "fetch wrapping key for", object: key.ID}
	algorithm, ok := algorithms[m]
	if !ok {
		return broker.WrappingKey{}, refuse(broker.Unsupported, c.verb, c.object, "AWS KMS knows no %s", m)
	}
	if err := p.ours(key.ID); err != nil {
		return broker.WrappingKey{}, err
	}
	ask := func() (*kms.GetParametersForImportOutput, broker.Receipt, error) {
		return invoke(ctx, p, c, p.kms.GetParametersForImport, &kms.GetParametersForImportInput{
			KeyId: &key.ID, WrappingAlgorithm: algorithm, WrappingKeySpec: wrappingSpecs[p.c.WrappingKeyBits],
		})
	}
	out, receipt, err := ask()
	if errors.Is(err, broker.Conflict) && p.cameToBe(ctx, key.ID) {
		out, receipt, err = ask()
	}
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if err := p.same(c, key.ID, out.KeyId); err != nil {
		return broker.WrappingKey{}, err
	}
	if len(out.PublicKey) == 0 || len(out.ImportToken) == 0 || out.ParametersValidTo == nil {
		return broker.WrappingKey{}, incomplete(c, "public key, import token or end")
	}
	return broker.WrappingKey{
		PublicKey: out.PublicKey, Token: out.ImportToken, Mechanism: m, ExpiresAt: out.ParametersValidTo.UTC(),
		SingleUse: true, Source: key.ID, Receipt: receipt,
	}, nil
}

// cameToBe waits for a replica that is still being made; false where that was not why
// it could not be imported into.
func (p *Provider) cameToBe(ctx context.Context, key string) bool {
	made := func(k *types.KeyMetadata) bool { return k.KeyState != types.KeyStateCreating }
	meta, _, err := p.describe(ctx, key)
	if err != nil || meta == nil || made(meta) {
		return false
	}
	p.until(ctx, key, made)
	return true
}
