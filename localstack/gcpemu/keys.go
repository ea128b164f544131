package gcpemu

import (
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// findKey finds a key, and notes that the call is about it.
func (c *call) findKey(field, name string) (*key, error) {
	if _, err := parse(field, keyShape, name); err != nil {
		return nil, err
	}
	r, err := c.ring(field, parent(name))
	if err != nil {
		return nil, err
	}
	k := r.keys[name]
	if k == nil {
		return nil, notFound("CryptoKey", name)
	}
	c.key = k
	for _, v := range k.versions {
		v.settle(c.now)
	}
	return k, nil
}

func (c *call) keyProto(k *key, view kmspb.CryptoKeyVersion_CryptoKeyVersionView) *kmspb.CryptoKey {
	out := &kmspb.CryptoKey{
		Name: k.name, Purpose: k.purpose, CreateTime: timestamppb.New(k.created), Labels: k.labels, ImportOnly: k.importOnly,
		VersionTemplate:          &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: k.level, Algorithm: k.algorithm},
		DestroyScheduledDuration: durationpb.New(k.destroyAfter),
	}
	if k.primary != nil {
		out.Primary = c.versionProto(k.primary, view)
	}
	return out
}

func getCryptoKey(c *call, in *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	k, err := c.findKey("name", in.GetName())
	if err != nil {
		return nil, err
	}
	return c.keyProto(k, full), nil
}

func listCryptoKeys(c *call, in *kmspb.ListCryptoKeysRequest) (*kmspb.ListCryptoKeysResponse, error) {
	r, err := c.ring("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	l, err := c.choose(in, sorted(r.keys), func(name string) map[string]any { return r.keys[name].fields() })
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeysResponse{NextPageToken: l.next, TotalSize: l.total}
	for _, name := range l.names {
		out.CryptoKeys = append(out.CryptoKeys, c.keyProto(r.keys[name], in.GetVersionView()))
	}
	return out, nil
}

// fields are those of a key that filters may name.
func (k *key) fields() map[string]any {
	out := map[string]any{"name": k.name, "purpose": k.purpose.String(), "createTime": k.created}
	for label, value := range k.labels {
		out["labels."+label] = value
	}
	return out
}

// updateCryptoKey changes labels. All else is immutable or not modelled.
func updateCryptoKey(c *call, in *kmspb.UpdateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	k, err := c.findKey("crypto_key.name", in.GetCryptoKey().GetName())
	if err != nil {
		return nil, err
	}
	if len(in.GetUpdateMask().GetPaths()) == 0 {
		return nil, refuse(codes.InvalidArgument, "update_mask is required")
	}
	for _, path := range in.GetUpdateMask().GetPaths() {
		switch path {
		case "labels":
		case "name", "purpose", "create_time", "primary", "import_only", "destroy_scheduled_duration", "crypto_key_backend":
			return nil, refuse(codes.InvalidArgument, "update_mask: %s cannot be changed", path)
		default:
			return nil, refuse(codes.Unimplemented, "the emulator does not model changing %s", path)
		}
	}
	if err := checkLabels(in.GetCryptoKey().GetLabels()); err != nil {
		return nil, err
	}
	k.labels = in.GetCryptoKey().GetLabels()
	return c.keyProto(k, full), nil
}

// updatePrimary chooses the version that encrypts. Whether it may be disabled Google
// does not say; leniently it may.
func updatePrimary(c *call, in *kmspb.UpdateCryptoKeyPrimaryVersionRequest) (*kmspb.CryptoKey, error) {
	k, err := c.findKey("name", in.GetName())
	if err != nil {
		return nil, err
	}
	if k.purpose != kmspb.CryptoKey_ENCRYPT_DECRYPT {
		return nil, refuse(codes.FailedPrecondition, "%s has purpose %s: only ENCRYPT_DECRYPT has a primary version", k.name, k.purpose)
	}
	name := k.name + "/cryptoKeyVersions/" + in.GetCryptoKeyVersionId()
	v := k.find(name)
	if v == nil {
		return nil, notFound("CryptoKeyVersion", name)
	}
	if v.state != disabled || !c.lenient() {
		if err := v.usable(); err != nil {
			return nil, err
		}
	}
	k.primary = v
	return c.keyProto(k, full), nil
}
