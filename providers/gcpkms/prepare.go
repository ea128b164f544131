package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyferry/keyferry/broker"
)

// Prepare makes an empty key for imported versions, marked with the effect. One of
// that name that is there already is ours if it is as it would be made now, and empty;
// any other is a Conflict. For a further version it finds the key of the prior one.
func (p *Provider) Prepare(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	name := in.RemoteName
	c := call{name: "CreateCryptoKey", verb: "create key", object: p.keyName(name), changes: true, reason: e.ID()}
	want, err := p.wanted(c, e, in)
	if err != nil {
		return broker.Prepared{}, err
	}
	if in.Mode == broker.SameKey {
		return p.prior(ctx, in)
	}
	made, receipt, err := invoke(ctx, p, c, p.kms.CreateCryptoKey, &kmspb.CreateCryptoKeyRequest{
		Parent: p.c.ring(), CryptoKeyId: name, CryptoKey: want, SkipInitialVersionCreation: true,
	})
	switch {
	case errors.Is(err, broker.Conflict):
		return p.foundKey(ctx, c, in, want)
	case err != nil:
		return broker.Prepared{}, err
	}
	if err := p.same(c, p.keyName(name), made.GetName()); err != nil {
		return broker.Prepared{}, err
	}
	if why := unlike(want, made); why != "" {
		return broker.Prepared{}, refuse(broker.Conflict, c.verb, c.object, "it was made otherwise than asked: %s", why)
	}
	return broker.Prepared{Key: broker.KeyRef{ID: made.GetName()}, Receipt: receipt}, nil
}

// wanted is the key to make. It refuses what can be refused without asking.
func (p *Provider) wanted(c call, e broker.Effect, in broker.PrepareIn) (*kmspb.CryptoKey, error) {
	window := in.Window
	if window == 0 {
		window = p.c.DeletionWindow
	}
	algorithm, err := p.takes(in.Spec, in.Purpose, in.Algorithm)
	switch {
	case err != nil:
		return nil, refuse(broker.Unsupported, c.verb, c.object, "%w", err)
	case in.Replica != nil || in.MultiRegion:
		return nil, refuse(broker.Unsupported, c.verb, c.object, "Google Cloud KMS has no replicas of keys: use a multi-region location")
	case in.Mode != broker.SameKey && !idShape().MatchString(in.RemoteName):
		return nil, refuse(broker.Misuse, c.verb, c.object, "%q is no name for a key, which has %s", in.RemoteName, keyRule().Words)
	case checkWindow(window) != nil:
		return nil, refuse(broker.Rejected, c.verb, c.object, "a waiting period of %w", checkWindow(window))
	}
	labels, err := labelsFor(e, in)
	if err != nil {
		return nil, refuse(broker.Misuse, c.verb, c.object, "%w", err)
	}
	return &kmspb.CryptoKey{
		Purpose: purposeWords[in.Purpose], Labels: labels, ImportOnly: true,
		VersionTemplate:          &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: p.c.level(), Algorithm: algorithm.id},
		DestroyScheduledDuration: durationpb.New(window),
	}, nil
}

// takes is the algorithm for a spec and purpose at this target.
func (p *Provider) takes(spec broker.KeySpec, purpose broker.Purpose, word string) (algorithm, error) {
	if why := p.c.unsupported(spec); why != "" {
		return algorithm{}, errors.New(why)
	}
	return algorithmFor(spec, purpose, word)
}

// foundKey answers that the key is there already: ours, if nothing about it differs.
func (p *Provider) foundKey(ctx context.Context, c call, in broker.PrepareIn, want *kmspb.CryptoKey) (broker.Prepared, error) {
	key := broker.KeyRef{ID: p.keyName(in.RemoteName)}
	held, receipt, err := p.getKey(ctx, key)
	if err != nil {
		return broker.Prepared{}, err
	}
	why := unlike(want, held)
	switch made := held.GetCreateTime(); {
	case why != "":
	case made == nil:
		return broker.Prepared{}, incomplete(c, "time when it was made")
	case made.AsTime().Before(in.At.Add(-broker.ClockSlack)):
		why = "it was made at " + made.AsTime().Format(time.RFC3339) + ", before it was asked for"
	default:
		versions, err := p.versions(ctx, key)
		if err != nil {
			return broker.Prepared{}, err
		}
		if len(versions) > 0 {
			why = "it has versions"
		}
	}
	if why == "" {
		return broker.Prepared{Key: key, Receipt: receipt}, nil
	}
	return broker.Prepared{}, &broker.Error{
		Kind: broker.Conflict, Op: c.verb, Object: c.object, Cause: fmt.Errorf("a key of that name is there, and it is not ours: %s", why),
		Hint: "a key's name stays for ever: choose another name for this target, or find out who made the one that is there",
	}
}

// unlike says how a key differs from the one that is wanted; "" in nothing.
func unlike(want, held *kmspb.CryptoKey) string {
	has, asked := held.GetVersionTemplate(), want.GetVersionTemplate()
	switch {
	case held.GetLabels()[labelEffect] != want.GetLabels()[labelEffect]:
		return "its label " + labelEffect + " differs"
	case held.GetLabels()[labelKeyID] != want.GetLabels()[labelKeyID]:
		return "its label " + labelKeyID + " differs"
	case !maps.Equal(held.GetLabels(), want.GetLabels()):
		return "its labels differ"
	case has.GetAlgorithm() != asked.GetAlgorithm():
		return "its algorithm is " + has.GetAlgorithm().String()
	case held.GetDestroyScheduledDuration().AsDuration() != want.GetDestroyScheduledDuration().AsDuration():
		return "its destroy_scheduled_duration is " + held.GetDestroyScheduledDuration().AsDuration().String()
	default:
		return unlikeKind(want, held)
	}
}

// unlikeKind is what must be equal for a further version too.
func unlikeKind(want, held *kmspb.CryptoKey) string {
	has, asked := held.GetVersionTemplate(), want.GetVersionTemplate()
	switch {
	case held.GetPurpose() != want.GetPurpose():
		return "its purpose is " + held.GetPurpose().String()
	case has.GetProtectionLevel() != asked.GetProtectionLevel():
		return "its protection level is " + has.GetProtectionLevel().String()
	case !held.GetImportOnly():
		return "it is not for imported versions only"
	default:
		return ""
	}
}

// prior is the key that a further version goes into.
func (p *Provider) prior(ctx context.Context, in broker.PrepareIn) (broker.Prepared, error) {
	if in.Prior == nil {
		return broker.Prepared{}, refuse(broker.Misuse, "prepare a further version", p.keyName(in.RemoteName), "the version before is not said")
	}
	if err := p.ours(in.Prior.Key.ID); err != nil {
		return broker.Prepared{}, err
	}
	held, receipt, err := p.getKey(ctx, in.Prior.Key)
	if err != nil {
		return broker.Prepared{}, err
	}
	want := &kmspb.CryptoKey{
		Purpose: purposeWords[in.Purpose], VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: p.c.level()}, ImportOnly: true,
	}
	why := unlikeKind(want, held)
	if id := held.GetLabels()[labelKeyID]; why == "" && id != in.KeyID {
		why = "its label " + labelKeyID + " differs"
	}
	if why != "" {
		return broker.Prepared{}, refuse(broker.Conflict, "prepare a further version of", in.Prior.Key.ID, "%s", why)
	}
	return broker.Prepared{Key: in.Prior.Key, Receipt: receipt}, nil
}
