package gcpkms

import (
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
)

// states are Google's of versions in common words; another one is unexpected.
var states = map[kmspb.CryptoKeyVersion_CryptoKeyVersionState]broker.RemoteState{
	kmspb.CryptoKeyVersion_PENDING_GENERATION: broker.RemoteUpdating,
	kmspb.CryptoKeyVersion_PENDING_IMPORT:     broker.RemoteImporting,
	kmspb.CryptoKeyVersion_ENABLED:            broker.RemoteEnabled,
	kmspb.CryptoKeyVersion_DISABLED:           broker.RemoteDisabled,
	kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:  broker.RemoteScheduled,
	kmspb.CryptoKeyVersion_DESTROYED:          broker.RemoteDestroyed,
	kmspb.CryptoKeyVersion_IMPORT_FAILED:      broker.RemoteFailed,
	kmspb.CryptoKeyVersion_GENERATION_FAILED:  broker.RemoteFailed,
}

// observe says a key and one of its versions, nil for none, in common words.
func (p *Provider) observe(key *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion, receipt broker.Receipt) broker.Observation {
	o := broker.Observation{
		Version: broker.VersionRef{Key: broker.KeyRef{ID: key.GetName()}}, State: broker.RemotePending, Raw: "no version",
		Origin: broker.OriginProvider, Purpose: purposeOf(key.GetPurpose()), PolicyMatch: p.asMade(key),
		CreatedAt: timeOf(key.GetCreateTime()), SeenAt: endpoint.SeenAt(receipt, p.c.Now()), Receipt: receipt,
	}
	if key.GetImportOnly() {
		o.Origin = broker.OriginExternal
	}
	mark(&o, key.GetLabels())
	algorithm := key.GetVersionTemplate().GetAlgorithm()
	if v != nil {
		algorithm = v.GetAlgorithm()
		observeVersion(&o, key, v)
	}
	if a, ok := algorithmOf(algorithm); ok && a.purpose == o.Purpose {
		o.Spec = a.spec
	}
	return o
}

// observeVersion adds what is a version's own.
func observeVersion(o *broker.Observation, key *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
	state := v.GetState()
	o.Version.ID, o.Raw, o.State = idOf(v), state.String(), broker.RemoteUnexpected
	if known, ok := states[state]; ok {
		o.State = known
	}
	switch state {
	case kmspb.CryptoKeyVersion_ENABLED, kmspb.CryptoKeyVersion_DISABLED, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:
		o.HasMaterial = true
	case kmspb.CryptoKeyVersion_IMPORT_FAILED:
		o.Reason = "Google accepted the import and could not finish it: " + plain(v.GetImportFailureReason())
	case kmspb.CryptoKeyVersion_GENERATION_FAILED:
		o.Reason = "Google could not generate it: " + plain(v.GetGenerationFailureReason())
	default: // there is nothing to say
	}
	o.Restorable = v.GetReimportEligible()
	o.Origin = broker.OriginProvider
	if v.GetImportJob() != "" {
		o.Origin, o.Batch = broker.OriginExternal, v.GetImportJob()
	}
	o.CreatedAt, o.DeletionAt = timeOf(v.GetCreateTime()), timeOf(v.GetDestroyTime())
	o.Consumer = consumerOf(o.Version, o.Purpose)
	if o.Consumer != key.GetName() || v.GetName() == key.GetPrimary().GetName() {
		o.Consumers = []string{o.Consumer}
	}
}

// asMade reports whether a key is of the kind that this target makes: for imported
// versions only, at its protection level. Nothing else of a key decides who may use
// it or where its material is; IAM policies are not the key's.
func (p *Provider) asMade(key *kmspb.CryptoKey) bool {
	return key.GetImportOnly() && key.GetVersionTemplate().GetProtectionLevel() == p.c.level()
}

// timeOf is zero where nothing was said.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
