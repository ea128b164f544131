package awskms

import (
	"context"
	"errors"
	"time"

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
	out, receipt, err := invoke(ctx, p, c, p.kms.GetParametersForImport, &kms.GetParametersForImportInput{
		KeyId: &key.ID, WrappingAlgorithm: algorithm, WrappingKeySpec: wrappingSpecs[p.c.WrappingKeyBits],
	})
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

// Import sends wrapped material. The first material of a key can be sent again: it
// goes without an import type, which AWS takes for new where the key never had any,
// and else for existing, which it must then equal.
func (p *Provider) Import(ctx context.Context, _ broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	c := call{name: "ImportKeyMaterial", verb: "import key material into", object: in.Key.ID, changes: true}
	if err := p.checkImport(c, in); err != nil {
		return broker.Imported{}, err
	}
	request := &kms.ImportKeyMaterialInput{
		KeyId: &in.Key.ID, EncryptedKeyMaterial: in.Wrapped, ImportToken: in.Token,
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	if !in.ValidTo.IsZero() {
		request.ExpirationModel, request.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(in.ValidTo.UTC())
	}
	if in.Kind != broker.ImportNew && in.Spec.Class() == broker.ClassAES {
		request.ImportType = types.ImportTypeExistingKeyMaterial
		if in.Version.ID != "" {
			request.KeyMaterialId = &in.Version.ID
		}
	}
	out, receipt, err := invoke(ctx, p, c, p.kms.ImportKeyMaterial, request)
	if err != nil {
		return broker.Imported{}, asNew(in, err)
	}
	if err := p.same(c, in.Key.ID, out.KeyId); err != nil {
		return broker.Imported{}, err
	}
	p.until(ctx, in.Key.ID, func(k *types.KeyMetadata) bool { return k.KeyState == types.KeyStateEnabled })
	version := broker.VersionRef{Key: in.Key, ID: deref(out.KeyMaterialId)}
	if in.Spec.Class() != broker.ClassAES {
		version.ID = "" // only symmetric keys have materials
	}
	return broker.Imported{Version: version, Receipt: receipt}, nil
}

// asNew: that new material is not as it should be, says nothing about the key's.
func asNew(in broker.ImportIn, err error) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && in.Kind == broker.ImportNew && e.Kind == broker.Differs {
		e.Kind = broker.Rejected
	}
	return err
}

// maxWrapped is the most that the service takes (CiphertextType).
const maxWrapped = 6144

// checkImport refuses what AWS would, before anything is sent.
func (p *Provider) checkImport(c call, in broker.ImportIn) error {
	now := p.c.Now()
	switch {
	case in.Kind == broker.ImportNew && in.Version != nil:
		return refuse(broker.Unsupported, c.verb, c.object, "further versions of a key are not made in place")
	case in.Kind != broker.ImportNew && (in.Version == nil || in.Version.Key != in.Key):
		return refuse(broker.Misuse, c.verb, c.object, "the version whose material it is, is not said")
	case len(in.Wrapped) == 0 || len(in.Wrapped) > maxWrapped || len(in.Token) == 0 || len(in.Token) > maxWrapped:
		return refuse(broker.Rejected, c.verb, c.object, "wrapped material and import token have from 1 to %d bytes", maxWrapped)
	case !in.ValidFrom.IsZero():
		return refuse(broker.Unsupported, c.verb, c.object, "AWS KMS takes material that is valid at once")
	case !in.ValidTo.IsZero() && (!in.ValidTo.After(now) || in.ValidTo.After(now.Add(maxValidTo))):
		return refuse(broker.Rejected, c.verb, c.object, "valid-to %s is not within the 365 days from now", in.ValidTo.UTC().Format(time.RFC3339))
	}
	return p.ours(in.Key.ID)
}
