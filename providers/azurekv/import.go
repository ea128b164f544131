package azurekv

import (
	"context"
	"slices"

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
	c.key = name
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
	v, err := p.expect(c, kidOf(made.Key), broker.VersionRef{Key: in.Key})
	if err != nil {
		return broker.Imported{}, err
	}
	if got, want := kty(made.Key), p.c.keyType(in.Spec); got != string(want) {
		return broker.Imported{}, p.foreign(versionID(v), "it is "+got+", asked for was "+string(want))
	}
	return broker.Imported{Version: v, Consumer: v.Key.ID, Receipt: receipt}, nil
}

// maxWrapped is more than any wrapped material has, in bytes.
const maxWrapped = 16 << 10

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
	case name == kekName:
		return "", refuse(broker.Misuse, c.verb, c.object, "the name %s is that of the KEKs", kekName)
	case in.Mechanism != broker.KWPSHA1:
		return "", refuse(broker.Unsupported, c.verb, c.object, "Azure takes %s, not %s", broker.KWPSHA1, in.Mechanism)
	case err != nil || kek.ID == "":
		return "", refuse(broker.Rejected, c.verb, c.object, "the import token is not the id of a KEK in %s", p.c.VaultURL)
	case len(in.Wrapped) == 0 || len(in.Wrapped) > maxWrapped:
		return "", refuse(broker.Rejected, c.verb, c.object, "wrapped material has from 1 to %d bytes", maxWrapped)
	case !fits(in):
		return "", refuse(broker.Rejected, c.verb, c.object, "the wrapped material is not that of an %s key", in.Spec)
	case !in.ValidTo.IsZero() && !in.ValidTo.After(p.c.Now()), !in.ValidTo.IsZero() && !in.ValidTo.After(in.ValidFrom):
		return "", refuse(broker.Rejected, c.verb, c.object, "it would be past its end at once")
	case in.Of.Spec != in.Spec:
		return "", refuse(broker.Misuse, c.verb, c.object, "it was prepared as %q, not as %s", in.Of.Spec, in.Spec)
	}
	return name, p.c.takes(in.Of)
}

// fits: a request says no size of a secret, and the vault takes what it finds. Wrapped
// material is as long as the KEK's modulus, and 8 bytes more than the secret (RFC 5649).
func fits(in broker.ImportIn) bool {
	if !in.Spec.Secret() {
		return true
	}
	modulus := len(in.Wrapped) - in.Spec.Bits()/8 - 8
	return slices.Contains(kekBits, 8*modulus)
}

func (p *Provider) parameters(e broker.Effect, in broker.ImportIn) (azkeys.ImportKeyParameters, error) {
	blob, err := newBlob(string(in.Token), in.Wrapped)
	if err != nil {
		return azkeys.ImportKeyParameters{}, err
	}
	key := &azkeys.JSONWebKey{Kty: new(p.c.keyType(in.Spec)), T: blob} // T is key_hsm
	if curve, ok := curves[in.Spec]; ok {
		key.Crv = &curve // required with a blob: the vault cannot see it
	}
	for _, o := range operations(in.Of.Purpose) {
		key.KeyOps = append(key.KeyOps, &o)
	}
	out := azkeys.ImportKeyParameters{Key: key, Tags: tagsOf(e, in.Of), KeyAttributes: &azkeys.KeyAttributes{Enabled: new(true)}}
	if !in.ValidTo.IsZero() {
		out.KeyAttributes.Expires = new(in.ValidTo.UTC())
	}
	if !in.ValidFrom.IsZero() {
		out.KeyAttributes.NotBefore = new(in.ValidFrom.UTC())
	}
	return out, nil
}
