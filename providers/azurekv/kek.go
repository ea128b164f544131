package azurekv

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// kekName is the name that KEKs are made under. It is never looked for, and no key of
// ours has it.
const kekName = "keyferry-kek"

// WrappingKey makes a KEK, or fetches the one that is named. A KEK is RSA-HSM and may
// do nothing but import (BYOK specification): one that can unwrap would give whoever
// may use it all that is wrapped under it.
func (p *Provider) WrappingKey(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	if in.Mechanism != broker.KWPSHA1 {
		return broker.WrappingKey{}, refuse(broker.Unsupported, "fetch wrapping key for", in.Key.ID, "Azure takes %s, not %s", broker.KWPSHA1, in.Mechanism)
	}
	if _, err := p.nameOf(in.Key); err != nil {
		return broker.WrappingKey{}, err
	}
	if in.Kept != "" {
		return p.fetchKEK(ctx, in)
	}
	return p.makeKEK(ctx, e, in)
}

// makeKEK makes a version of the name, which is for 2 to 730 days.
func (p *Provider) makeKEK(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	c := call{name: "CreateKey", verb: "make a KEK at", object: p.keyID(kekName), key: kekName, changes: true}
	expires := p.c.Now().UTC().Truncate(time.Second).Add(p.c.KEKValidFor)
	made, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.CreateKeyResponse, error) {
		return k.CreateKey(ctx, kekName, azkeys.CreateKeyParameters{
			Kty: new(azkeys.KeyTypeRSAHSM), KeySize: new(int32(p.c.WrappingKeyBits)), //nolint:gosec // 2048, 3072 or 4096
			KeyOps:        []*azkeys.KeyOperation{new(azkeys.KeyOperationImport)},
			KeyAttributes: &azkeys.KeyAttributes{Enabled: new(true), Expires: &expires},
			Tags:          pointers(map[string]string{tagEffect: e.ID(), tagOperation: e.Operation}),
		}, nil)
	})
	if err != nil {
		return broker.WrappingKey{}, needsHSM(err)
	}
	key, err := p.kek(c, made.KeyBundle, broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(kekName)}})
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if bits := 8 * len(made.Key.N); bits != p.c.WrappingKeyBits {
		return broker.WrappingKey{}, refuse(broker.Rejected, "use KEK", key.Ref, "it has %d bits, asked for were %d", bits, p.c.WrappingKeyBits)
	}
	key.Mechanism, key.Receipt, key.Source = in.Mechanism, receipt, key.Ref+", made by operation "+e.Operation
	return key, nil
}

// needsHSM says why a vault would not make a KEK: one of the Standard SKU cannot, and
// its words for that are not documented.
func needsHSM(err error) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && (e.Kind == broker.Rejected || e.Kind == broker.Unsupported) {
		e.Hint = "a KEK is kept in an HSM: the vault must be of the Premium SKU, or a Managed HSM"
	}
	return err
}

// fetchKEK fetches just the version that is named.
func (p *Provider) fetchKEK(ctx context.Context, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	want, err := p.parse(in.Kept)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if want.ID == "" {
		return broker.WrappingKey{}, refuse(broker.Misuse, "fetch KEK", in.Kept, "it names no version")
	}
	c := p.reading("fetch KEK", want)
	got, receipt, err := p.get(ctx, c, want)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	key, err := p.kek(c, got, want)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	key.Mechanism, key.Receipt, key.Source = in.Mechanism, receipt, key.Ref
	return key, nil
}

// kek is what the vault shows of a KEK, if it is just what one must be.
func (p *Provider) kek(c call, b azkeys.KeyBundle, want broker.VersionRef) (broker.WrappingKey, error) {
	if b.Key == nil || b.Attributes == nil {
		return broker.WrappingKey{}, incomplete(c, "has no key or attributes")
	}
	v, err := p.expect(c, b.Key.KID, want)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if err := p.usable(v, b); err != nil {
		return broker.WrappingKey{}, err
	}
	spki, err := rsaKey(b.Key)
	if err != nil {
		return broker.WrappingKey{}, incomplete(c, "has no RSA key: %w", err)
	}
	ref := versionID(v)
	return broker.WrappingKey{PublicKey: spki, Token: []byte(ref), Ref: ref, ExpiresAt: utc(b.Attributes.Expires)}, nil
}

// usable refuses a KEK that may do more than import, as Rejected, and one that may not
// import now, as Expired.
func (p *Provider) usable(v broker.VersionRef, b azkeys.KeyBundle) error {
	a, ops, now := b.Attributes, operationsOf(b.Key), p.c.Now()
	switch {
	case b.Key.Kty == nil || *b.Key.Kty != azkeys.KeyTypeRSAHSM:
		return refuse(broker.Rejected, "use KEK", versionID(v), "it is %s, not RSA-HSM: its private half may be known", kty(b.Key))
	case !sameOperations(ops, []azkeys.KeyOperation{azkeys.KeyOperationImport}):
		return refuse(broker.Rejected, "use KEK", versionID(v), "its key_ops are %q, not import alone: it could unwrap what is wrapped under it", strings.Join(words(ops), " "))
	case a.Exportable != nil && *a.Exportable:
		return refuse(broker.Rejected, "use KEK", versionID(v), "its private half may be exported")
	case a.Enabled != nil && !*a.Enabled:
		return refuse(broker.Expired, "use KEK", versionID(v), "it is disabled")
	case a.Expires != nil && !a.Expires.After(now), a.NotBefore != nil && a.NotBefore.After(now):
		return refuse(broker.Expired, "use KEK", versionID(v), "it is outside its time")
	default:
		return nil
	}
}

// kty is a key's type in the vault's words.
func kty(k *azkeys.JSONWebKey) string {
	if k.Kty == nil {
		return "of no type"
	}
	return short(string(*k.Kty))
}

// words are key operations in the vault's words.
func words(ops []azkeys.KeyOperation) []string {
	var out []string
	for _, o := range ops {
		out = append(out, short(string(o)))
	}
	return out
}
