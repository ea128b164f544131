package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Importing is what becomes of an import that was accepted. What is wrong with its
// material then shows at its end, not in the answer.
type Importing struct {
	Takes time.Duration // by the target's clock; 0: it is done at once
	Fails string        // it ends as failed, for this reason
}

// Import unwraps and keeps the material.
func (p *Provider) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	var out broker.Imported
	in.Wrapped, in.Token = slices.Clone(in.Wrapped), slices.Clone(in.Token)
	err := p.change(ctx, "import", in.Key.ID, func() error {
		k, v, err := p.accept(e, in)
		if err == nil {
			out = broker.Imported{Version: broker.VersionRef{Key: k.ref, ID: v.id}, Consumer: k.consumer(v), Receipt: p.receipt("import")}
		}
		return err
	})
	if err != nil {
		return broker.Imported{}, err
	}
	return out, nil
}

func (p *Provider) accept(e broker.Effect, in broker.ImportIn) (*key, *version, error) {
	k, err := p.into(in)
	if err != nil {
		return nil, nil, err
	}
	if err := p.checkTimes(in); err != nil {
		return nil, nil, err
	}
	w, err := p.redeem(in)
	if err != nil {
		return nil, nil, err
	}
	end := p.importing()
	m, err := unwrap(w, k.in.Spec, in.Wrapped)
	if err != nil && end.Takes == 0 {
		return nil, nil, fmt.Errorf("%w: %w", broker.Rejected, err)
	} else if err != nil {
		end.Fails = err.Error()
	}
	v, err := p.place(k, in, m)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(p.keys, k) {
		p.keep(k)
	}
	now := p.c.Now().UTC()
	w.used, v.effect, v.batch = true, e.ID(), w.ref
	v.validFrom, v.validTo = in.ValidFrom, in.ValidTo
	v.destroyed, v.deletionAt = false, time.Time{} // what is given back is on its way, as Google has it
	v.failed, v.arriving = "", &arriving{at: now.Add(end.Takes), material: m, fails: end.Fails}
	v.arrive(now)
	return k, v, nil
}

func (p *Provider) importing() Importing {
	if p.c.Importing == nil {
		return Importing{}
	}
	return p.c.Importing()
}

// into is the key that is imported into: where the import makes it, one that is not
// the target's yet.
func (p *Provider) into(in broker.ImportIn) (*key, error) {
	k, err := p.find(in.Key.ID)
	switch makes := p.c.Capabilities.ImportMakesKey; {
	case makes && err != nil && in.Key == p.refOf(in.Of):
		return p.newKey(in.Of), p.allows(in.Of)
	case err != nil:
		return nil, err
	case makes && k.in.Spec != in.Spec:
		return nil, fmt.Errorf("the key is of %s: %w", k.in.Spec, broker.Conflict)
	case makes:
		if err := p.allows(in.Of); err != nil {
			return nil, err
		}
	}
	return k, k.importable()
}

// importable refuses states in which no material is taken, as a Conflict.
func (k *key) importable() error {
	switch s := k.state(nil); {
	case k.origin != broker.OriginExternal:
		return fmt.Errorf("the key's origin is %s: %w", k.origin, broker.Unsupported)
	case s == broker.RemoteScheduled, !k.apart() && s == broker.RemoteDisabled:
		return fmt.Errorf("the key is %s: %w", s, broker.Conflict)
	default:
		return nil
	}
}

func (p *Provider) checkTimes(in broker.ImportIn) error {
	rule := p.c.Capabilities.ValidTo
	switch {
	case in.ValidFrom.IsZero():
	case !rule.From:
		return fmt.Errorf("material is valid at once here: %w", broker.Unsupported)
	case !in.ValidTo.IsZero() && !in.ValidTo.After(in.ValidFrom):
		return fmt.Errorf("valid-to %s is not after valid-from: %w", in.ValidTo.UTC().Format(time.RFC3339), broker.Rejected)
	}
	return p.checkValidTo(in.ValidTo)
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
