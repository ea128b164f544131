package azurekv

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Import sends wrapped material as a key transfer blob. Azure makes a version each
// time it is asked, so it is asked once; the effect's id goes with it as a tag.
func (p *Provider) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	c := call{name: "ImportKey", verb: "import key material into", object: in.Key.ID, changes: true}
	name, err := p.checkImport(c, in)
	if err != nil {
		return broker.Imported{}, err
	}
	parameters, err := p.parameters(e, in)
	if err != nil {
		return broker.Imported{}, err
	}
	made, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.ImportKeyResponse, error) {
		return k.ImportKey(ctx, name, parameters, nil)
	})
	if err != nil {
		return broker.Imported{}, err
	}
	if made.Key == nil || made.Key.KID == nil {
		return broker.Imported{}, incomplete(c, "names no version")
	}
	v, err := p.parse(string(*made.Key.KID))
	if err != nil {
		return broker.Imported{}, err
	}
	if v.Key != (broker.KeyRef{ID: p.keyID(name)}) || v.ID == "" {
		return broker.Imported{}, p.foreign(string(*made.Key.KID), "asked for was a version of "+in.Key.ID)
	}
	return broker.Imported{Version: v, Consumer: v.Key.ID, Receipt: receipt}, nil
}

// checkImport refuses what can be refused before anything is sent.
func (p *Provider) checkImport(c call, in broker.ImportIn) (string, error) {
	name, err := p.nameOf(in.Key)
	if err != nil {
		return "", err
	}
	kek, err := p.parse(string(in.Token))
	switch {
	case in.Kind == broker.ImportExisting:
		return "", refuse(broker.Unsupported, c.verb, c.object, "importing again makes another version at Azure; an end is moved where it is")
	case in.Kind == broker.ImportRestore:
		return "", refuse(broker.Unsupported, c.verb, c.object, "a deleted key is recovered at Azure, not imported again: az keyvault key recover --name %s", name)
	case in.Mechanism != broker.KWPSHA1:
		return "", refuse(broker.Unsupported, c.verb, c.object, "Azure takes %s, not %s", broker.KWPSHA1, in.Mechanism)
	case err != nil || kek.ID == "":
		return "", refuse(broker.Rejected, c.verb, c.object, "the import token is not the id of a KEK in %s", p.c.VaultURL)
	case len(in.Wrapped) == 0 || len(in.Wrapped) > 16<<10:
		return "", refuse(broker.Rejected, c.verb, c.object, "wrapped material has from 1 to %d bytes", 16<<10)
	case p.c.unsupported(in.Spec) != "":
		return "", refuse(broker.Unsupported, c.verb, c.object, "%s", p.c.unsupported(in.Spec))
	case !strings.EqualFold(string(in.Of.Spec), string(in.Spec)) || in.Of.Purpose == "":
		return "", refuse(broker.Misuse, c.verb, c.object, "what the key is for is not said")
	}
	return name, nil
}

func (p *Provider) parameters(e broker.Effect, in broker.ImportIn) (azkeys.ImportKeyParameters, error) {
	blob, err := newBlob(string(in.Token), in.Wrapped)
	if err != nil {
		return azkeys.ImportKeyParameters{}, err
	}
	kty, hsm, enabled := p.c.keyType(in.Spec), p.c.Protection == HSM, true
	key := &azkeys.JSONWebKey{Kty: &kty, T: blob}
	if curve, ok := curves[in.Spec]; ok {
		key.Crv = &curve // required with a blob: the vault cannot see it
	}
	for _, o := range operations(in.Of.Purpose) {
		key.KeyOps = append(key.KeyOps, &o)
	}
	out := azkeys.ImportKeyParameters{Key: key, HSM: &hsm, Tags: tagsOf(e, in.Of), KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled}}
	if !in.ValidTo.IsZero() {
		out.KeyAttributes.Expires = new(in.ValidTo.UTC())
	}
	if !in.ValidFrom.IsZero() {
		out.KeyAttributes.NotBefore = new(in.ValidFrom.UTC())
	}
	return out, nil
}
