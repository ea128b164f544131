package gcpemu

import (
	"cmp"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Times that versions of a key spend in DESTROY_SCHEDULED. Only the usual one is in
// the API's comments; least and most are Google's documentation of today.
const (
	usualDestroy = 30 * 24 * time.Hour
	leastDestroy = 24 * time.Hour
	mostDestroy  = 120 * 24 * time.Hour
)

// created is the key that a request makes: its id and labels.
func created(m proto.Message) (id string, labels map[string]string, ok bool) {
	in, ok := m.(*kmspb.CreateCryptoKeyRequest)
	if !ok {
		return "", nil, false
	}
	return in.GetCryptoKeyId(), in.GetCryptoKey().GetLabels(), true
}

func createCryptoKey(c *call, in *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	r, err := c.ring("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	k, err := c.newKey(r, in)
	if err != nil {
		return nil, err
	}
	if r.keys[k.name] != nil {
		return nil, refuse(codes.AlreadyExists, "CryptoKey %s already exists.", k.name)
	}
	if !in.GetSkipInitialVersionCreation() && !k.importOnly {
		v, err := c.generate(k)
		if err != nil {
			return nil, err
		}
		if r.keys[k.name] != nil { // while it was generated
			return nil, refuse(codes.AlreadyExists, "CryptoKey %s already exists.", k.name)
		}
		k.versions = []*version{v}
		if k.purpose == kmspb.CryptoKey_ENCRYPT_DECRYPT {
			k.primary = v
		}
	}
	r.keys[k.name], c.key = k, k
	return c.keyProto(k, full), nil
}

// newKey checks everything but whether the key exists.
func (c *call) newKey(r *ring, in *kmspb.CreateCryptoKeyRequest) (*key, error) {
	made := in.GetCryptoKey()
	if err := cmp.Or(checkID("crypto_key_id", in.GetCryptoKeyId()), checkLabels(made.GetLabels()), c.checkImportOnly(in)); err != nil {
		return nil, err
	}
	a, err := templateAlgorithm(made)
	if err != nil {
		return nil, err
	}
	level, err := c.level("crypto_key.version_template.protection_level", made.GetVersionTemplate().GetProtectionLevel(), r.name)
	if err != nil {
		return nil, err
	}
	if err := c.checkLevel(a, level); err != nil {
		return nil, err
	}
	after, err := c.destroyAfter(made.GetDestroyScheduledDuration(), made.GetImportOnly())
	if err != nil {
		return nil, err
	}
	return &key{
		name: r.name + "/cryptoKeys/" + in.GetCryptoKeyId(), ring: r, created: c.now, purpose: made.GetPurpose(), level: level, algorithm: a.id,
		labels: made.GetLabels(), importOnly: made.GetImportOnly(), destroyAfter: after, commits: map[string]int{},
	}, nil
}

// checkImportOnly: such a key cannot generate, now or by rotation. That it needs
// skip_initial_version_creation is implied; leniently it is done.
func (c *call) checkImportOnly(in *kmspb.CreateCryptoKeyRequest) error {
	k := in.GetCryptoKey()
	rotates := k.GetRotationPeriod() != nil || k.GetNextRotationTime() != nil
	switch {
	case k.GetImportOnly() && rotates:
		return refuse(codes.InvalidArgument, "an import_only key cannot have a rotation schedule")
	case k.GetImportOnly() && !in.GetSkipInitialVersionCreation() && !c.lenient():
		return refuse(codes.InvalidArgument, "an import_only key needs skip_initial_version_creation")
	case rotates:
		return refuse(codes.Unimplemented, "the emulator does not model rotation schedules")
	}
	return nil
}

// destroyAfter is how long versions wait for destruction. For keys of imported
// material Google's documentation has no least time of its own that could be found;
// leniently there is none.
func (c *call) destroyAfter(d *durationpb.Duration, importOnly bool) (time.Duration, error) {
	if d == nil {
		return usualDestroy, nil
	}
	after, least := d.AsDuration(), leastDestroy
	if importOnly && c.lenient() {
		least = 0
	}
	if d.CheckValid() != nil || after < least || after > mostDestroy {
		return 0, refuse(codes.InvalidArgument, "destroy_scheduled_duration is not within %s and %s", least, mostDestroy)
	}
	return after, nil
}
