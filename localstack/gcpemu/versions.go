package gcpemu

import (
	"slices"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// full is the view that shows attestations.
const full = kmspb.CryptoKeyVersion_FULL

// findVersion finds a version, with what is due done.
func (c *call) findVersion(name string) (*version, error) {
	if _, err := parse("name", versionShape, name); err != nil {
		return nil, err
	}
	k, err := c.findKey("name", parent(name))
	if err != nil {
		return nil, err
	}
	v := k.find(name)
	if v == nil {
		return nil, notFound("CryptoKeyVersion", name)
	}
	return v, nil
}

// stamp is a time that is left out when it is zero.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func (c *call) versionProto(v *version, view kmspb.CryptoKeyVersion_CryptoKeyVersionView) *kmspb.CryptoKeyVersion {
	v.settle(c.now)
	out := &kmspb.CryptoKeyVersion{
		Name: v.name, State: v.state, ProtectionLevel: v.key.level, Algorithm: v.algorithm.id, CreateTime: timestamppb.New(v.created),
		GenerateTime: stamp(v.generated), ImportJob: v.job, ImportTime: stamp(v.imported), ReimportEligible: v.reimportable(),
	}
	switch v.state {
	case importFailed:
		out.ImportFailureReason = v.failure
	case scheduled:
		out.DestroyTime = stamp(v.destroyAt)
	case destroyed:
		out.DestroyEventTime = stamp(v.destroyedAt)
	default:
	}
	if view == full && v.material != nil && v.key.level == kmspb.ProtectionLevel_HSM {
		out.Attestation = c.s.root.attest(v.name, v.material.public)
	}
	return out
}

// getVersion counts as a read of a pending import.
func getVersion(c *call, in *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	v, err := c.findVersion(in.GetName())
	if err != nil {
		return nil, err
	}
	out := c.versionProto(v, full)
	v.pending.read()
	return out, nil
}

func listVersions(c *call, in *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	k, err := c.findKey("parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, v := range k.versions {
		all = append(all, v.name)
	}
	l, err := c.choose(in, all, func(name string) map[string]any { return k.find(name).fields() })
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeyVersionsResponse{NextPageToken: l.next, TotalSize: l.total}
	for _, name := range l.names {
		out.CryptoKeyVersions = append(out.CryptoKeyVersions, c.versionProto(k.find(name), in.GetView()))
	}
	return out, nil
}

// fields are those of a version that filters may name.
func (v *version) fields() map[string]any {
	return map[string]any{
		"name": v.name, "state": v.state.String(), "algorithm": v.algorithm.id.String(), "protectionLevel": v.key.level.String(),
		"createTime": v.created, "importJob": v.job, "importTime": v.imported,
	}
}

// updateVersion switches between ENABLED and DISABLED.
func updateVersion(c *call, in *kmspb.UpdateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	v, err := c.findVersion(in.GetCryptoKeyVersion().GetName())
	if err != nil {
		return nil, err
	}
	paths, next := in.GetUpdateMask().GetPaths(), in.GetCryptoKeyVersion().GetState()
	switch {
	case len(paths) == 0:
		return nil, refuse(codes.InvalidArgument, "update_mask is required")
	case !slices.Equal(paths, []string{"state"}):
		return nil, refuse(codes.Unimplemented, "the emulator does not model changing %v", paths)
	case next != enabled && next != disabled:
		return nil, refuse(codes.InvalidArgument, "state cannot be set to %s", next)
	}
	if err := v.in(enabled, disabled); err != nil {
		return nil, err
	}
	v.state = next
	return c.versionProto(v, full), nil
}

// destroyVersion begins the waiting period.
func destroyVersion(c *call, in *kmspb.DestroyCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	v, err := c.findVersion(in.GetName())
	if err != nil {
		return nil, err
	}
	if err := v.in(enabled, disabled); err != nil {
		return nil, err
	}
	v.state, v.destroyAt = scheduled, c.now.Add(v.key.destroyAfter)
	return c.versionProto(v, full), nil
}

// restoreVersion ends it; the version is DISABLED then.
func restoreVersion(c *call, in *kmspb.RestoreCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	v, err := c.findVersion(in.GetName())
	if err != nil {
		return nil, err
	}
	if err := v.in(scheduled); err != nil {
		return nil, err
	}
	v.state, v.destroyAt = disabled, time.Time{}
	return c.versionProto(v, full), nil
}
