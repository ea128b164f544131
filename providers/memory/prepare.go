package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Prepare makes an empty key; with PrepareFinds it finds the effect's, and with
// ImportMakesKey it only says where the key will be.
func (p *Provider) Prepare(ctx context.Context, e broker.Effect, in broker.PrepareIn) (broker.Prepared, error) {
	var out broker.Prepared
	call := p.change
	if p.c.Capabilities.ImportMakesKey {
		call = p.local
	}
	err := call(ctx, "prepare", "key "+in.Name, func() error {
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
	if in.Algorithm != "" && !slices.Contains(p.c.Capabilities.Specs[in.Spec].Algorithms[in.Purpose], in.Algorithm) {
		return broker.KeyRef{}, fmt.Errorf("%q is not how a key of %s computes: %w", in.Algorithm, in.Spec, broker.Unsupported)
	}
	if in.Mode == broker.SameKey {
		return p.sameKey(in)
	}
	if err := p.allows(in); err != nil {
		return broker.KeyRef{}, err
	}
	if p.c.Capabilities.ImportMakesKey {
		return p.refOf(in), nil
	}
	if held := p.prepared(e, in); held != nil {
		if why := held.unlike(e, in); why != "" {
			return broker.KeyRef{}, fmt.Errorf("%s is there already, and %s: %w", held.ref.ID, why, broker.Conflict)
		}
		return held.ref, nil
	}
	k := p.newKey(in)
	k.effect, k.policy = e.ID(), true
	return p.keep(k), nil
}

// prepared is the key that is there already; nil none.
func (p *Provider) prepared(e broker.Effect, in broker.PrepareIn) *key {
	caps := p.c.Capabilities
	i := slices.IndexFunc(p.keys, func(k *key) bool {
		mine := caps.NamesKeys && k.in.RemoteName == in.RemoteName || caps.PrepareFinds && !caps.NamesKeys && k.effect == e.ID()
		return mine && !k.destroyed
	})
	if i < 0 {
		return nil
	}
	return p.keys[i]
}

// unlike says how a key is not the empty one that is asked for; "" it is.
func (k *key) unlike(e broker.Effect, in broker.PrepareIn) string {
	switch was := k.in; {
	case !k.caps.PrepareFinds:
		return "the name is taken"
	case k.effect != e.ID() || was.KeyID != in.KeyID:
		return "carries another mark"
	case was.Spec != in.Spec || was.Purpose != in.Purpose || was.Algorithm != in.Algorithm || k.origin != broker.OriginExternal:
		return "is of another kind"
	case was.Window != in.Window || !maps.Equal(was.Tags, in.Tags):
		return "was made with another waiting period, or other tags"
	case len(k.versions) > 0:
		return "has versions already"
	case k.createdAt.Before(in.At.Add(-broker.ClockSlack)):
		return "was made before it was intended"
	default:
		return ""
	}
}

// allows refuses a name, tags or a waiting period outside the rules.
func (p *Provider) allows(in broker.PrepareIn) error {
	caps := p.c.Capabilities
	switch rule := caps.Deletion; {
	case caps.NamesKeys && !caps.Names.Allows(in.RemoteName):
		return fmt.Errorf("the name %q is not allowed: %w", in.RemoteName, broker.Rejected)
	case rule.KeysStay && in.Window != 0 && (in.Window < rule.Min || in.Window > rule.Max):
		return fmt.Errorf("a window of %s is not within %s and %s: %w", in.Window, rule.Min, rule.Max, broker.Rejected)
	}
	if why := caps.Tags.Refuses(in.Tags); why != "" {
		return fmt.Errorf("these tags are not allowed: %s: %w", why, broker.Rejected)
	}
	return nil
}

// newKey is a key that is not there yet.
func (p *Provider) newKey(in broker.PrepareIn) *key {
	in.Tags = maps.Clone(in.Tags)
	return &key{ref: p.refOf(in), caps: &p.c.Capabilities, in: in, origin: broker.OriginExternal, createdAt: p.c.Now().UTC()}
}

// refOf is where a key will be: under its name, or the next number.
func (p *Provider) refOf(in broker.PrepareIn) broker.KeyRef {
	name := in.RemoteName
	if !p.c.Capabilities.NamesKeys {
		name = fmt.Sprint(p.made + 1)
	}
	return broker.KeyRef{ID: fmt.Sprintf("memory:%s:key/%s", p.c.Account, name)}
}

// keep makes a new key one of the target's.
func (p *Provider) keep(k *key) broker.KeyRef {
	p.made++
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
