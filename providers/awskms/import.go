package awskms

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// Import sends wrapped material. The first material of a key can be sent again: it
// goes without an import type, which AWS takes for new where the key never had any,
// and else for existing, which it must then equal. A symmetric replica's is its
// primary's, by its id.
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
	var err error
	if request.ImportType, request.KeyMaterialId, err = p.importType(ctx, in); err != nil {
		return broker.Imported{}, err
	}
	out, receipt, err := invoke(ctx, p, c, p.kms.ImportKeyMaterial, request)
	if err != nil {
		return broker.Imported{}, asNew(in, err)
	}
	if err := p.same(c, in.Key.ID, out.KeyId); err != nil {
		return broker.Imported{}, err
	}
	if want, got := deref(request.KeyMaterialId), deref(out.KeyMaterialId); in.Kind == broker.ImportNew && want != "" && got != want {
		return broker.Imported{}, refuse(broker.Differs, c.verb, c.object, "it answers with material %s, its primary has %s", got, want)
	}
	p.until(ctx, in.Key.ID, func(k *types.KeyMetadata) bool { return k.KeyState == types.KeyStateEnabled })
	version := broker.VersionRef{Key: in.Key, ID: deref(out.KeyMaterialId)}
	if in.Spec.Class() != broker.ClassAES {
		version.ID = "" // only symmetric keys have materials
	}
	return broker.Imported{Version: version, Receipt: receipt}, nil
}

// importType is what the material is to the key: existing, and which, where it was
// there before or in the primary. Only symmetric keys know of that.
func (p *Provider) importType(ctx context.Context, in broker.ImportIn) (types.ImportType, *string, error) {
	switch {
	case in.Spec.Class() != broker.ClassAES, in.Kind == broker.ImportNew && in.Of.Replica == nil:
		return "", nil, nil
	case in.Kind == broker.ImportNew:
		id, err := p.material(ctx, in.Of.Replica.ID)
		return types.ImportTypeExistingKeyMaterial, &id, err
	case in.Version.ID == "":
		return types.ImportTypeExistingKeyMaterial, nil, nil
	default:
		return types.ImportTypeExistingKeyMaterial, &in.Version.ID, nil
	}
}

// asNew: that new material is not as it should be, says nothing about the key's; but
// that of a replica is not new, and not its primary's.
func asNew(in broker.ImportIn, err error) error {
	isNew := in.Kind == broker.ImportNew && in.Of.Replica == nil
	if e, ok := errors.AsType[*broker.Error](err); ok && isNew && e.Kind == broker.Differs {
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
