package memory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Prepare makes an empty key, or with PrepareFinds finds the effect's.
func (p *Provider) Prepare(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	var out broker.Prepared
	err := p.change(ctx, "prepare", "key "+in.Name, func() error {
		ref, err := p.prepare(e, in)
		out = broker.Prepared{Key: ref, Receipt: p.receipt("prepare")}
		return err
	})
	if err != nil {
		return broker.Prepared{}, err
	}
	return out, nil
}

func (p *Provider) prepare(e broker.Effect, in broker.PrepareIn) (broker.KeyRef, error) {
	if !p.c.Capabilities.Takes(in.Spec, in.Purpose) {
		return broker.KeyRef{}, fmt.Errorf("it does not take %s for %s: %w", in.Spec, in.Purpose, broker.Unsupported)
	}
	if in.Mode == broker.SameKey {
		return p.sameKey(in)
	}
	if p.c.Capabilities.PrepareFinds {
		for _, k := range p.keys {
			if k.effect == e.ID() && !k.destroyed {
				return k.ref, nil
			}
		}
	}
	in.Tags = maps.Clone(in.Tags)
	return p.make(&key{effect: e.ID(), origin: broker.OriginExternal, in: in, policy: true}), nil
}

func (p *Provider) make(k *key) broker.KeyRef {
	p.made++
	k.ref = broker.KeyRef{ID: fmt.Sprintf("memory:%s:key/%d", p.c.Account, p.made)}
	k.createdAt = p.c.Now().UTC()
	p.keys = append(p.keys, k)
	return k.ref
}

func (p *Provider) sameKey(in broker.PrepareIn) (broker.KeyRef, error) {
	if in.Prior == nil || !p.c.Capabilities.Specs[in.Spec].SecondVersion {
		return broker.KeyRef{}, fmt.Errorf("a key holds one version: %w", broker.Unsupported)
	}
	k, err := p.find(in.Prior.Key.ID)
	if err != nil {
		return broker.KeyRef{}, err
	}
	return k.ref, nil
}

// wrapping is a wrapping key that was handed out under a token.
type wrapping struct {
	key       *rsa.PrivateKey
	holder    string // the key it was issued for
	mechanism broker.Mechanism
	expires   time.Time
	used      bool
}

// WrappingKey hands out the next of the configured keys, for 24 hours and one import.
func (p *Provider) WrappingKey(ctx context.Context, _ broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	var out broker.WrappingKey
	err := p.read(ctx, "wrapping-key", in.Key.ID, func() (err error) {
		out, err = p.wrappingKey(in.Key, in.Mechanism)
		return err
	})
	return out, err
}

func (p *Provider) wrappingKey(ref broker.KeyRef, m broker.Mechanism) (broker.WrappingKey, error) {
	k, err := p.find(ref.ID)
	if err != nil {
		return broker.WrappingKey{}, err
	}
	if err := k.importable(); err != nil {
		return broker.WrappingKey{}, err
	}
	if !slices.Contains(p.c.Capabilities.Specs[k.in.Spec].Mechanisms, m) {
		return broker.WrappingKey{}, fmt.Errorf("%s is not for %s: %w", m, k.in.Spec, broker.Unsupported)
	}
	w := &wrapping{
		key: p.c.WrappingKeys[len(p.tokens)%len(p.c.WrappingKeys)], holder: ref.ID, mechanism: m, expires: p.c.Now().UTC().Add(day),
	}
	der, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		return broker.WrappingKey{}, fmt.Errorf("encode wrapping key: %w", err)
	}
	token := make([]byte, 32)
	rand.Read(token)
	p.tokens[string(token)] = w
	return broker.WrappingKey{
		PublicKey: der, Token: token, Mechanism: m, ExpiresAt: w.expires, SingleUse: true, Source: ref.ID, Receipt: p.receipt("wrapping-key"),
	}, nil
}

// importable refuses states in which AWS takes no material, as a Conflict.
func (k *key) importable() error {
	switch s := k.remote(); {
	case k.origin != broker.OriginExternal:
		return fmt.Errorf("the key's origin is %s: %w", k.origin, broker.Unsupported)
	case s != broker.RemotePending && s != broker.RemoteEnabled:
		return fmt.Errorf("the key is %s: %w", s, broker.Conflict)
	default:
		return nil
	}
}

// Import unwraps and keeps the material.
func (p *Provider) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	var out broker.Imported
	in.Wrapped, in.Token = slices.Clone(in.Wrapped), slices.Clone(in.Token)
	err := p.change(ctx, "import", in.Key.ID, func() error {
		v, err := p.accept(e, in)
		out = broker.Imported{Version: v, Receipt: p.receipt("import")}
		return err
	})
	if err != nil {
		return broker.Imported{}, err
	}
	return out, nil
}

func (p *Provider) accept(e broker.Effect, in broker.ImportIn) (broker.VersionRef, error) {
	k, err := p.find(in.Key.ID)
	if err != nil {
		return broker.VersionRef{}, err
	}
	if err := k.importable(); err != nil {
		return broker.VersionRef{}, err
	}
	if err := p.checkValidTo(in.ValidTo); err != nil {
		return broker.VersionRef{}, err
	}
	w, err := p.redeem(in)
	if err != nil {
		return broker.VersionRef{}, err
	}
	m, err := unwrap(w, k.in.Spec, in.Wrapped)
	if err != nil {
		return broker.VersionRef{}, fmt.Errorf("%w: %w", broker.Rejected, err)
	}
	v, err := p.place(k, e, in, m)
	if err != nil {
		return broker.VersionRef{}, err
	}
	w.used, v.present, v.validTo, v.material = true, true, in.ValidTo, m
	return broker.VersionRef{Key: k.ref, ID: v.id}, nil
}

func (p *Provider) checkValidTo(t time.Time) error {
	rule, now := p.c.Capabilities.ValidTo, p.c.Now()
	switch {
	case t.IsZero():
		return nil
	case !rule.Native:
		return fmt.Errorf("material does not expire here: %w", broker.Unsupported)
	case !t.After(now), rule.Max > 0 && t.After(now.Add(rule.Max)):
		return fmt.Errorf("valid-to %s is not allowed: %w", t.UTC().Format(time.RFC3339), broker.Rejected)
	default:
		return nil
	}
}

// redeem finds what the import token was issued for.
func (p *Provider) redeem(in broker.ImportIn) (*wrapping, error) {
	w, ok := p.tokens[string(in.Token)]
	switch {
	case !ok || w.holder != in.Key.ID || w.mechanism != in.Mechanism:
		return nil, fmt.Errorf("the import token is not for this key and mechanism: %w", broker.Rejected)
	case w.used:
		return nil, fmt.Errorf("the import token was used before: %w", broker.Rejected)
	case !p.c.Now().Before(w.expires):
		return nil, fmt.Errorf("the import token ended at %s: %w", w.expires.Format(time.RFC3339), broker.Expired)
	default:
		return w, nil
	}
}

// place decides which version the material is.
func (p *Provider) place(k *key, e broker.Effect, in broker.ImportIn, m material) (*version, error) {
	c, held := p.c.Capabilities.Specs[k.in.Spec], k.holding(m)
	switch {
	case in.Kind != broker.ImportNew && held == nil:
		return nil, fmt.Errorf("it is other material than the key's: %w", broker.Differs)
	case in.Kind != broker.ImportNew && in.Version != nil && in.Version.ID != held.id:
		return nil, fmt.Errorf("it is other material than version %s: %w", in.Version.ID, broker.Differs)
	case in.Kind != broker.ImportNew, held != nil && c.ImportRepeats:
		return held, nil
	case len(k.versions) > 0 && !c.SecondVersion:
		return nil, fmt.Errorf("the key holds other material already: %w", broker.Rejected)
	}
	v := k.add(m, e, c)
	if c.Given[k.in.Purpose] == broker.GivenNewest {
		k.current = len(k.versions) - 1
	}
	return v, nil
}
