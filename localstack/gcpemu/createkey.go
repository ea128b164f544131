package gcpemu

import (
	"regexp"
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
	if err := first(checkID("crypto_key_id", in.GetCryptoKeyId()), checkLabels(made.GetLabels()), c.checkImportOnly(in)); err != nil {
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

// templateAlgorithm is the algorithm of a new key's template, which must fit its
// purpose.
func templateAlgorithm(k *kmspb.CryptoKey) (algorithm, error) {
	id := k.GetVersionTemplate().GetAlgorithm()
	switch k.GetPurpose() {
	case kmspb.CryptoKey_CRYPTO_KEY_PURPOSE_UNSPECIFIED:
		return algorithm{}, refuse(codes.InvalidArgument, "crypto_key.purpose is required")
	case kmspb.CryptoKey_ENCRYPT_DECRYPT:
		if id == kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED {
			id = kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION
		}
	case kmspb.CryptoKey_ASYMMETRIC_SIGN, kmspb.CryptoKey_ASYMMETRIC_DECRYPT, kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT, kmspb.CryptoKey_MAC:
	default:
		return algorithm{}, refuse(codes.Unimplemented, "the emulator does not model the purpose %s", k.GetPurpose())
	}
	return fitting("crypto_key.version_template.algorithm", id, k.GetPurpose())
}

// fitting finds an algorithm that a key of this purpose can have.
func fitting(field string, id algorithmID, p purpose) (algorithm, error) {
	if id == kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED {
		return algorithm{}, refuse(codes.InvalidArgument, "%s is required", field)
	}
	a, ok := findAlgorithm(id)
	switch {
	case !ok:
		return algorithm{}, refuse(codes.Unimplemented, "the emulator does not model the algorithm %s", id)
	case a.purpose != p:
		return algorithm{}, refuse(codes.InvalidArgument, "%s: %s is not for purpose %s", field, id, p)
	}
	return a, nil
}

// level checks a protection level at the location of a ring. UNSPECIFIED is
// SOFTWARE in templates.
func (c *call) level(field string, l kmspb.ProtectionLevel, ring string) (kmspb.ProtectionLevel, error) {
	id, err := parse("parent", ringShape, ring)
	if err != nil {
		return l, err
	}
	at, err := c.location(id.location())
	switch {
	case err != nil:
		return l, err
	case l == kmspb.ProtectionLevel_PROTECTION_LEVEL_UNSPECIFIED, l == kmspb.ProtectionLevel_SOFTWARE:
		return kmspb.ProtectionLevel_SOFTWARE, nil
	case l != kmspb.ProtectionLevel_HSM:
		return l, refuse(codes.Unimplemented, "the emulator does not model the protection level %s", l)
	case !at.HSM:
		return l, refuse(codes.InvalidArgument, "%s: HSM is not available at %s", field, at.ID)
	}
	return l, nil
}

// checkLevel: secp256k1 is for HSM only (CryptoKeyVersionAlgorithm).
func (*call) checkLevel(a algorithm, l kmspb.ProtectionLevel) error {
	if a.id == kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256 && l != kmspb.ProtectionLevel_HSM {
		return refuse(codes.InvalidArgument, "%s needs protection level HSM", a.id)
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

// Labels (Google, Labeling keys).
var (
	labelName  = regexp.MustCompile(`^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

// mostLabels is how many a key may have.
const mostLabels = 64

func checkLabels(labels map[string]string) error {
	if len(labels) > mostLabels {
		return refuse(codes.InvalidArgument, "%d labels, more than %d", len(labels), mostLabels)
	}
	for name, value := range labels {
		if !labelName.MatchString(name) || !labelValue.MatchString(value) {
			return refuse(codes.InvalidArgument, "label %q=%q is not lower-case letters, digits, _ and -, at most 63, beginning with a letter", name, value)
		}
	}
	return nil
}
