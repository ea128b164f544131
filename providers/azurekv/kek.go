package azurekv

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// kekName is the name that KEKs are made under. It is never looked for.
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

func (p *Provider) makeKEK(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	c := call{name: "CreateKey", verb: "make a KEK in", object: p.c.VaultURL, changes: true}
	now := p.c.Now().UTC().Truncate(time.Second)
	expires, enabled, bits := now.Add(p.c.KEKValidFor), true, int32(p.c.WrappingKeyBits) //nolint:gosec // 2048, 3072 or 4096
	kty, operation := azkeys.KeyTypeRSAHSM, azkeys.KeyOperationImport
	made, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.CreateKeyResponse, error) {
		return k.CreateKey(ctx, kekName, azkeys.CreateKeyParameters{
			Kty: &kty, KeySize: &bits, KeyOps: []*azkeys.KeyOperation{&operation},
			KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled, Expires: &expires},
			Tags:          pointers(map[string]string{tagEffect: e.ID(), tagOperation: e.Operation}),
		}, nil)
	})
	if err != nil {
		return broker.WrappingKey{}, err
	}
	key, err := p.kek(c, made.KeyBundle)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	v, _ := p.parse(key.Ref) // it was read before
	if v.Key.ID != p.keyID(kekName) {
		return broker.WrappingKey{}, p.foreign(key.Ref, "another key than "+kekName+" was to be made")
	}
	key.Mechanism, key.Receipt, key.Source = in.Mechanism, receipt, key.Ref+", made by operation "+e.Operation
	return key, nil
}

func (p *Provider) fetchKEK(ctx context.Context, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	want, err := p.parse(in.Kept)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if want.ID == "" {
		return broker.WrappingKey{}, refuse(broker.Misuse, "fetch KEK", in.Kept, "it names no version")
	}
	c := call{name: "GetKey", verb: "fetch KEK", object: versionID(want)}
	got, receipt, err := p.get(ctx, c, want)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	key, err := p.kek(c, got)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if key.Ref != versionID(want) {
		return broker.WrappingKey{}, p.foreign(key.Ref, "asked for was "+versionID(want))
	}
	key.Mechanism, key.Receipt, key.Source = in.Mechanism, receipt, key.Ref
	return key, nil
}

// kek holds what the vault shows against what a KEK must be.
func (p *Provider) kek(c call, b azkeys.KeyBundle) (broker.WrappingKey, error) {
	if b.Key == nil || b.Key.KID == nil || b.Key.Kty == nil || b.Attributes == nil {
		return broker.WrappingKey{}, incomplete(c, "has no id, kind or attributes")
	}
	v, err := p.parse(string(*b.Key.KID))
	if err != nil {
		return broker.WrappingKey{}, err
	}
	var ops []azkeys.KeyOperation
	for _, o := range b.Key.KeyOps {
		ops = append(ops, *o)
	}
	a, now := b.Attributes, p.c.Now()
	switch {
	case v.ID == "":
		return broker.WrappingKey{}, incomplete(c, "names no version")
	case *b.Key.Kty != azkeys.KeyTypeRSAHSM:
		return broker.WrappingKey{}, refuse(broker.Rejected, "use KEK", versionID(v), "it is %s, not RSA-HSM: its private half may be known", plain(string(*b.Key.Kty)))
	case !sameOperations(ops, []azkeys.KeyOperation{azkeys.KeyOperationImport}):
		return broker.WrappingKey{}, refuse(broker.Rejected, "use KEK", versionID(v), "its key_ops are %q, not import alone: it could unwrap what is wrapped under it", ops)
	case a.Enabled != nil && !*a.Enabled:
		return broker.WrappingKey{}, refuse(broker.Expired, "use KEK", versionID(v), "it is disabled")
	case a.Expires != nil && !a.Expires.After(now), a.NotBefore != nil && a.NotBefore.After(now):
		return broker.WrappingKey{}, refuse(broker.Expired, "use KEK", versionID(v), "it is outside its time")
	}
	spki, err := rsaKey(b.Key)
	if err != nil {
		return broker.WrappingKey{}, incomplete(c, "has no RSA key: %w", err)
	}
	key := broker.WrappingKey{PublicKey: spki, Token: []byte(versionID(v)), Ref: versionID(v)}
	if a.Expires != nil {
		key.ExpiresAt = a.Expires.UTC()
	}
	return key, nil
}

// rsaKey is a JSON Web Key's public key (RFC 7518 §6.3), DER SubjectPublicKeyInfo.
func rsaKey(k *azkeys.JSONWebKey) ([]byte, error) {
	e := new(big.Int).SetBytes(k.E)
	if len(k.N) == 0 || len(k.N) > 2048 || len(k.E) == 0 || !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, errNoKey
	}
	return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(k.N), E: int(e.Int64())})
}
