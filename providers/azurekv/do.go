package azurekv

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Do performs one action. Deletion is of the whole key and lasts as long as the vault
// retains what is deleted, whatever window is asked for; nothing is ever purged.
func (p *Provider) Do(ctx context.Context, _ broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	switch a.Kind {
	case broker.Disable, broker.Enable:
		enabled := a.Kind == broker.Enable
		return p.update(ctx, v, name, string(a.Kind), &azkeys.KeyAttributes{Enabled: &enabled})
	case broker.SetEnd:
		if a.ValidTo.IsZero() {
			return broker.Receipt{}, refuse(broker.Unsupported, "set the end of", versionID(v), "Azure can move an end, and not take it away")
		}
		return p.update(ctx, v, name, "set the end of", &azkeys.KeyAttributes{Expires: new(a.ValidTo.UTC())})
	case broker.Schedule:
		return p.remove(ctx, name)
	case broker.Cancel:
		return p.recover(ctx, name)
	default:
		return broker.Receipt{}, refuse(broker.Unsupported, string(a.Kind), v.Key.ID, "Azure has no such thing: consumers are given the newest version")
	}
}

// update changes attributes of one version.
func (p *Provider) update(ctx context.Context, v broker.VersionRef, name, verb string, to *azkeys.KeyAttributes) (broker.Receipt, error) {
	if !versionShape.MatchString(v.ID) {
		return broker.Receipt{}, refuse(broker.Misuse, verb, v.Key.ID, "no version is named")
	}
	c := call{name: "UpdateKey", verb: verb, object: versionID(v), changes: true}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.UpdateKeyResponse, error) {
		return k.UpdateKey(ctx, name, v.ID, azkeys.UpdateKeyParameters{KeyAttributes: to}, nil)
	})
	if err != nil {
		return broker.Receipt{}, err
	}
	if got.Key == nil || got.Key.KID == nil {
		return broker.Receipt{}, incomplete(c, "names no version")
	}
	if at, err := p.parse(string(*got.Key.KID)); err != nil || at.Key != v.Key || at.ID != v.ID {
		return broker.Receipt{}, errors.Join(err, p.foreign(string(*got.Key.KID), "asked for was "+versionID(v)))
	}
	return receipt, nil
}

// remove deletes the key with all its versions. It can be recovered until the vault's
// retention ends.
func (p *Provider) remove(ctx context.Context, name string) (broker.Receipt, error) {
	c := call{name: "DeleteKey", verb: "delete", object: p.keyID(name), changes: true}
	_, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.DeleteKeyResponse, error) {
		return k.DeleteKey(ctx, name, nil)
	})
	return receipt, err
}

func (p *Provider) recover(ctx context.Context, name string) (broker.Receipt, error) {
	c := call{name: "RecoverDeletedKey", verb: "recover", object: p.keyID(name), changes: true}
	_, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.RecoverDeletedKeyResponse, error) {
		return k.RecoverDeletedKey(ctx, name, nil)
	})
	return receipt, err
}
