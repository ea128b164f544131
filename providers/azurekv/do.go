package azurekv

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Do performs one action. Deletion is of the whole key and lasts as long as the vault
// retains what is deleted: a window can only be one that some vault has, and chooses
// nothing. Nothing is ever purged, and nothing rotated.
func (p *Provider) Do(ctx context.Context, _ broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if _, err := p.nameOf(v.Key); err != nil {
		return broker.Receipt{}, err
	}
	switch a.Kind {
	case broker.Disable, broker.Enable:
		return p.update(ctx, v, string(a.Kind), &azkeys.KeyAttributes{Enabled: new(a.Kind == broker.Enable)})
	case broker.SetEnd:
		return p.setEnd(ctx, v, a.ValidTo)
	case broker.Schedule:
		return p.schedule(ctx, v, a.Window)
	case broker.Cancel:
		return p.cancel(ctx, v)
	default:
		return broker.Receipt{}, refuse(broker.Unsupported, string(a.Kind), v.Key.ID, "Azure has no such thing: consumers are given the newest version")
	}
}

// there answers NotFound for what is not there.
func (p *Provider) there(ctx context.Context, verb string, v broker.VersionRef) error {
	_, _, err := p.get(ctx, p.reading(verb, v), v)
	return err
}

// setEnd moves the end of a version. One that was set stays for ever: an update that
// leaves it out changes nothing.
func (p *Provider) setEnd(ctx context.Context, v broker.VersionRef, end time.Time) (broker.Receipt, error) {
	const verb = "set the end of"
	if !end.IsZero() {
		return p.update(ctx, v, verb, &azkeys.KeyAttributes{Expires: new(end.UTC())})
	}
	if err := p.there(ctx, verb, v); err != nil {
		return broker.Receipt{}, err
	}
	return broker.Receipt{}, refuse(broker.Unsupported, verb, versionID(v), "Azure can move an end, and not take it away")
}

// update changes attributes of one version. An update without a version would change
// the newest, whichever that is.
func (p *Provider) update(ctx context.Context, v broker.VersionRef, verb string, to *azkeys.KeyAttributes) (broker.Receipt, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	if !versionShape().MatchString(v.ID) {
		if err := p.there(ctx, verb, v); err != nil {
			return broker.Receipt{}, err
		}
		return broker.Receipt{}, refuse(broker.Misuse, verb, v.Key.ID, "no version is named")
	}
	c := call{name: "UpdateKey", verb: verb, object: versionID(v), key: name, changes: true}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.UpdateKeyResponse, error) {
		return k.UpdateKey(ctx, name, v.ID, azkeys.UpdateKeyParameters{KeyAttributes: to}, nil)
	})
	if err != nil {
		return broker.Receipt{}, err
	}
	if _, err := p.expect(c, kidOf(got.Key), broker.VersionRef{Key: v.Key, ID: v.ID}); err != nil {
		return broker.Receipt{}, err
	}
	return receipt, nil
}

func kidOf(k *azkeys.JSONWebKey) *azkeys.ID {
	if k == nil {
		return nil
	}
	return k.KID
}

// schedule deletes the key with all its versions. It can be recovered until the vault's
// retention ends.
func (p *Provider) schedule(ctx context.Context, v broker.VersionRef, window time.Duration) (broker.Receipt, error) {
	rule := deletionRule()
	switch {
	case v.ID != "":
		return broker.Receipt{}, refuse(broker.Unsupported, "delete", versionID(v), "Azure deletes whole keys, with every version of them")
	case window != 0 && (window < rule.Min || window > rule.Max):
		return broker.Receipt{}, refuse(broker.Misuse, "delete", v.Key.ID, "a vault retains what is deleted for %s to %s, not for %s", rule.Min, rule.Max, window)
	}
	name, err := p.nameOf(v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	c := call{name: "DeleteKey", verb: "delete", object: v.Key.ID, key: name, changes: true}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.DeleteKeyResponse, error) {
		return k.DeleteKey(ctx, name, nil)
	})
	if errors.Is(err, broker.NotFound) {
		if _, _, there := p.getDeleted(ctx, v.Key); there == nil {
			err = refuse(broker.Conflict, c.verb, c.object, "it is deleted already")
		}
	}
	if err == nil {
		_, err = p.expect(c, kidOf(got.Key), v)
	}
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, nil
}

// cancel recovers a deleted key, with every version of it, each as it was.
func (p *Provider) cancel(ctx context.Context, v broker.VersionRef) (broker.Receipt, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return broker.Receipt{}, err
	}
	c := call{name: "RecoverDeletedKey", verb: "recover", object: v.Key.ID, key: name, changes: true}
	got, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.RecoverDeletedKeyResponse, error) {
		return k.RecoverDeletedKey(ctx, name, nil)
	})
	if errors.Is(err, broker.NotFound) && p.there(ctx, c.verb, broker.VersionRef{Key: v.Key}) == nil {
		err = refuse(broker.Conflict, c.verb, c.object, "it is not deleted")
	}
	if err == nil {
		_, err = p.expect(c, kidOf(got.Key), broker.VersionRef{Key: v.Key})
	}
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, nil
}
