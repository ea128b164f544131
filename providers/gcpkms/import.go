package gcpkms

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// maxWrapped bounds wrapped material, in bytes: an RSA-4096 private key under an
// RSA-4096 wrapping key has about 2,900.
const maxWrapped = 16 << 10

// Import sends wrapped material: as the key's next version, or into one that was
// destroyed or failed. What is accepted is not imported yet: see Look.
func (p *Provider) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	c := call{name: "ImportCryptoKeyVersion", verb: "import key material into", object: in.Key.ID, changes: true, reason: e.ID()}
	if err := p.checkImport(c, in); err != nil {
		return broker.Imported{}, err
	}
	if err := p.checkToken(ctx, c, in); err != nil {
		return broker.Imported{}, err
	}
	request := &kmspb.ImportCryptoKeyVersionRequest{Parent: in.Key.ID, ImportJob: string(in.Token), WrappedKey: in.Wrapped}
	if err := p.aim(ctx, c, in, request); err != nil {
		return broker.Imported{}, err
	}
	made, receipt, err := invoke(ctx, p, c, p.kms.ImportCryptoKeyVersion, request)
	if err != nil {
		return broker.Imported{}, p.jobEnded(ctx, c, request.GetImportJob(), err)
	}
	v, err := p.checkImported(c, request, made)
	if err != nil {
		return broker.Imported{}, err
	}
	a, _ := algorithmOf(made.GetAlgorithm())
	return broker.Imported{Version: v, Consumer: consumerOf(v, a.purpose), Receipt: receipt}, nil
}

// consumerOf is what consumers use of a version once it is active.
func consumerOf(v broker.VersionRef, purpose broker.Purpose) string {
	if purpose == broker.Encrypt {
		return v.Key.ID
	}
	return versionName(v)
}

// checkImport refuses what can be refused before anything is sent.
func (p *Provider) checkImport(c call, in broker.ImportIn) error {
	switch {
	case in.Kind == broker.ImportExisting:
		return refuse(broker.Unsupported, c.verb, c.object, "nothing expires at Google Cloud KMS, and material that is there cannot be imported again")
	case !in.ValidTo.IsZero() || !in.ValidFrom.IsZero():
		return refuse(broker.Unsupported, c.verb, c.object, "a version at Google Cloud KMS has no beginning and no end")
	case (in.Kind == broker.ImportRestore) != (in.Version != nil):
		return refuse(broker.Misuse, c.verb, c.object, "a version is said where material is restored, and nowhere else")
	case in.Version != nil && (in.Version.Key != in.Key || !numberShape().MatchString(in.Version.ID)):
		return refuse(broker.Misuse, c.verb, c.object, "the version whose material it is, is not said")
	case len(in.Wrapped) == 0 || len(in.Wrapped) > maxWrapped:
		return refuse(broker.Rejected, c.verb, c.object, "wrapped material has from 1 to %d bytes", maxWrapped)
	}
	return p.ours(in.Key.ID)
}

// checkToken refuses an import token that is not the name of an import job of the
// ring; a key that is not there is the better answer.
func (p *Provider) checkToken(ctx context.Context, c call, in broker.ImportIn) error {
	if p.oursJob(string(in.Token)) == nil {
		return nil
	}
	if _, _, err := p.getKey(ctx, in.Key); err != nil {
		return err
	}
	return refuse(broker.Rejected, c.verb, c.object, "the import token is not the name of an import job in %s", p.c.ring())
}

// aim says which algorithm and, for material that comes back, which version. It reads
// first where that is not known: what the key was made for, or what the version had.
func (p *Provider) aim(ctx context.Context, c call, in broker.ImportIn, request *kmspb.ImportCryptoKeyVersionRequest) error {
	if in.Kind == broker.ImportRestore {
		return p.aimAt(ctx, c, *in.Version, request)
	}
	if in.Of.Spec == "" {
		key, _, err := p.getKey(ctx, in.Key)
		if err != nil {
			return err
		}
		request.Algorithm = key.GetVersionTemplate().GetAlgorithm()
		return nil
	}
	algorithm, err := p.takes(in.Of.Spec, in.Of.Purpose, in.Of.Algorithm)
	if err != nil {
		return refuse(broker.Unsupported, c.verb, c.object, "%w", err)
	}
	request.Algorithm = algorithm.id
	return nil
}

// aimAt is a version that gets its material back.
func (p *Provider) aimAt(ctx context.Context, c call, v broker.VersionRef, request *kmspb.ImportCryptoKeyVersionRequest) error {
	held, _, err := p.getVersion(ctx, v)
	if err != nil {
		return err
	}
	state := held.GetState()
	switch {
	case state != kmspb.CryptoKeyVersion_DESTROYED && state != kmspb.CryptoKeyVersion_IMPORT_FAILED:
		return refuse(broker.Conflict, c.verb, versionName(v), "it is %s: only what is destroyed, or failed, can be imported again", state)
	case !held.GetReimportEligible():
		return refuse(broker.Conflict, c.verb, versionName(v), "Google says that it cannot be imported again")
	}
	request.CryptoKeyVersion, request.Algorithm = versionName(v), held.GetAlgorithm()
	return nil
}

// jobEnded tells an import job that has ended from other refusals: the codes do not.
func (p *Provider) jobEnded(ctx context.Context, c call, job string, cause error) error {
	if !errors.Is(cause, broker.Conflict) && !errors.Is(cause, broker.Rejected) && !errors.Is(cause, broker.NotFound) {
		return cause
	}
	held, _, err := invoke(ctx, p, call{name: "GetImportJob", verb: "fetch import job", object: job}, p.kms.GetImportJob,
		&kmspb.GetImportJobRequest{Name: job})
	switch {
	case errors.Is(err, broker.NotFound):
		return refuse(broker.Rejected, c.verb, c.object, "there is no import job %s: %w", job, unwrapped(cause))
	case err != nil || held.GetName() != job:
		return cause
	case held.GetState() == kmspb.ImportJob_EXPIRED || held.GetExpireTime() != nil && !held.GetExpireTime().AsTime().After(p.c.Now()):
		return refuse(broker.Expired, c.verb, c.object, "import job %s has ended: %w", job, unwrapped(cause))
	default:
		return cause
	}
}

// unwrapped is what was answered, without the kind that it was first taken for.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && e.Cause != nil {
		return e.Cause
	}
	return err
}

// checkImported holds the answer against what was asked.
func (p *Provider) checkImported(c call, asked *kmspb.ImportCryptoKeyVersionRequest, made *kmspb.CryptoKeyVersion) (broker.VersionRef, error) {
	if made.GetName() == "" {
		return broker.VersionRef{}, incomplete(c, "resource name")
	}
	v, err := p.parseVersion(made.GetName())
	if err != nil {
		return broker.VersionRef{}, err
	}
	switch {
	case v.Key.ID != asked.GetParent(), asked.GetCryptoKeyVersion() != "" && asked.GetCryptoKeyVersion() != made.GetName():
		return broker.VersionRef{}, p.foreign(made.GetName(), fmt.Errorf("the answer is about another version than one of %s", asked.GetParent()))
	case made.GetImportJob() != asked.GetImportJob(), made.GetAlgorithm() != asked.GetAlgorithm(), made.GetProtectionLevel() != p.c.level():
		return broker.VersionRef{}, unusable(c, fmt.Errorf("the answer is about an import under %s of %s at level %s",
			plain(made.GetImportJob()), made.GetAlgorithm(), made.GetProtectionLevel()))
	}
	return v, nil
}
