package gcpkms

import (
	"context"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyferry/keyferry/broker"
)

// Do performs one action. Google has no compare-and-set for primaries: which version
// is the primary is read just before it is moved.
func (p *Provider) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if err := p.check(v); err != nil {
		return broker.Receipt{}, err
	}
	switch a.Kind {
	case broker.Activate, broker.Deactivate:
		return p.movePrimary(ctx, e, v, a)
	case broker.Disable:
		return p.turn(ctx, e, v, a.Kind, kmspb.CryptoKeyVersion_DISABLED)
	case broker.Enable:
		return p.turn(ctx, e, v, a.Kind, kmspb.CryptoKeyVersion_ENABLED)
	case broker.Schedule:
		return p.schedule(ctx, e, v, a)
	case broker.Cancel:
		return p.cancel(ctx, e, v)
	case broker.DeleteMaterial:
		return broker.Receipt{}, refuse(broker.Unsupported, string(a.Kind), versionName(v),
			"Google Cloud KMS destroys material only after a waiting period: schedule it; the same material can be imported again afterwards")
	default:
		return broker.Receipt{}, refuse(broker.Unsupported, string(a.Kind), versionName(v), "Google Cloud KMS has no such thing")
	}
}

// one is the version that is meant: the one that is named, or the key's newest.
func (p *Provider) one(ctx context.Context, verb string, v broker.VersionRef) (broker.VersionRef, error) {
	if v.ID != "" {
		return v, nil
	}
	all, err := p.lookAtVersions(ctx, v.Key)
	if err != nil {
		return v, err
	}
	if len(all) == 0 {
		return v, refuse(broker.Conflict, verb, v.Key.ID, "it has no version")
	}
	return all[len(all)-1].Version, nil
}

// turn enables or disables a version.
func (p *Provider) turn(ctx context.Context, e broker.Effect, v broker.VersionRef, kind broker.ActionKind, to kmspb.CryptoKeyVersion_CryptoKeyVersionState) (broker.Receipt, error) {
	v, err := p.one(ctx, string(kind), v)
	if err != nil {
		return broker.Receipt{}, err
	}
	c := changing("UpdateCryptoKeyVersion", string(kind), v, e)
	out, receipt, err := invoke(ctx, p, c, p.kms.UpdateCryptoKeyVersion, &kmspb.UpdateCryptoKeyVersionRequest{
		CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: versionName(v), State: to},
		UpdateMask:       &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	})
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, p.same(c, versionName(v), out.GetName())
}

func changing(name, verb string, v broker.VersionRef, e broker.Effect) call {
	return call{name: name, verb: verb, object: versionName(v), changes: true, reason: e.ID()}
}

// movePrimary gives consumers of the key a version: this one, or where it is taken
// from them the one before.
func (p *Provider) movePrimary(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	from, to := a.Expect, v.ID
	if a.Kind == broker.Deactivate {
		from, to = v.ID, a.Expect
	}
	c := changing("UpdateCryptoKeyPrimaryVersion", string(a.Kind), v, e)
	key, _, err := p.getKey(ctx, v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	held := ""
	if key.GetPrimary() != nil {
		held = idOf(key.GetPrimary())
	}
	switch {
	case key.GetPurpose() != kmspb.CryptoKey_ENCRYPT_DECRYPT:
		return broker.Receipt{}, refuse(broker.Unsupported, c.verb, c.object, "consumers of a key for %s name the version: it is enabled or disabled", key.GetPurpose())
	case a.Consumer != "" && a.Consumer != v.Key.ID:
		return broker.Receipt{}, refuse(broker.Misuse, c.verb, c.object, "consumers use the key, not %q", plain(a.Consumer))
	case v.ID == "":
		return broker.Receipt{}, refuse(broker.Misuse, c.verb, c.object, "the version is not said")
	case held != from:
		return broker.Receipt{}, refuse(broker.Conflict, c.verb, c.object, "the primary version is %q, not %q", held, from)
	case to == "" || to == from:
		return broker.Receipt{}, refuse(broker.Unsupported, c.verb, c.object, "a key that has a primary version keeps one: disable the version")
	}
	return p.setPrimary(ctx, c, v.Key, to)
}

func (p *Provider) setPrimary(ctx context.Context, c call, key broker.KeyRef, version string) (broker.Receipt, error) {
	out, receipt, err := invoke(ctx, p, c, p.kms.UpdateCryptoKeyPrimaryVersion, &kmspb.UpdateCryptoKeyPrimaryVersionRequest{
		Name: key.ID, CryptoKeyVersionId: version,
	})
	if err != nil {
		return broker.Receipt{}, err
	}
	if err := p.same(c, key.ID, out.GetName()); err != nil {
		return broker.Receipt{}, err
	}
	return receipt, p.same(c, versionName(broker.VersionRef{Key: key, ID: version}), out.GetPrimary().GetName())
}

// schedule begins the waiting period of a version, or of all that hold material. How
// long it is was said when the key was made: another one is refused.
func (p *Provider) schedule(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if a.Window != 0 {
		key, _, err := p.getKey(ctx, v.Key)
		if err != nil {
			return broker.Receipt{}, err
		}
		if fixed := key.GetDestroyScheduledDuration().AsDuration(); fixed != a.Window {
			return broker.Receipt{}, refuse(broker.Rejected, "schedule destruction of", versionName(v),
				"its waiting period is %s, fixed when the key was made, and cannot be %s", fixed, a.Window)
		}
	}
	return p.each(ctx, v, "schedule destruction of", []broker.RemoteState{broker.RemoteEnabled, broker.RemoteDisabled},
		func(v broker.VersionRef) (broker.Receipt, error) {
			c := changing("DestroyCryptoKeyVersion", "schedule destruction of", v, e)
			out, receipt, err := invoke(ctx, p, c, p.kms.DestroyCryptoKeyVersion, &kmspb.DestroyCryptoKeyVersionRequest{Name: versionName(v)})
			if err != nil {
				return broker.Receipt{}, err
			}
			return receipt, p.same(c, versionName(v), out.GetName())
		})
}

// cancel takes a version, or all of a key, back from destruction: they are disabled
// then.
func (p *Provider) cancel(ctx context.Context, e broker.Effect, v broker.VersionRef) (broker.Receipt, error) {
	return p.each(ctx, v, "cancel destruction of", []broker.RemoteState{broker.RemoteScheduled},
		func(v broker.VersionRef) (broker.Receipt, error) {
			c := changing("RestoreCryptoKeyVersion", "cancel destruction of", v, e)
			out, receipt, err := invoke(ctx, p, c, p.kms.RestoreCryptoKeyVersion, &kmspb.RestoreCryptoKeyVersionRequest{Name: versionName(v)})
			if err != nil {
				return broker.Receipt{}, err
			}
			return receipt, p.same(c, versionName(v), out.GetName())
		})
}
