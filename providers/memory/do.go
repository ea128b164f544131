package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Do performs one action.
func (p *Provider) Do(ctx context.Context, _ broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	var receipt broker.Receipt
	err := p.change(ctx, string(a.Kind), v.Key.ID, func() error {
		receipt = p.receipt(string(a.Kind))
		k, err := p.find(v.Key.ID)
		switch {
		case err != nil:
			return err
		case k.apart():
			return p.doApart(k, v, a)
		default:
			return p.do(k, v, a)
		}
	})
	if err != nil {
		return broker.Receipt{}, err
	}
	return receipt, nil
}

// do acts on a key whose versions share its state.
func (p *Provider) do(k *key, v broker.VersionRef, a broker.Action) error {
	state := k.state(nil)
	if scheduled := state == broker.RemoteScheduled; scheduled != (a.Kind == broker.Cancel) && a.Kind != broker.Deactivate && a.Kind != broker.DeleteMaterial {
		return fmt.Errorf("the key is %s: %w", state, broker.Conflict)
	}
	switch a.Kind {
	case broker.Activate:
		return p.activate(k, v, a)
	case broker.Deactivate:
		return p.deactivate(k, a)
	case broker.Disable, broker.Enable:
		if state == broker.RemotePending {
			return fmt.Errorf("the key is %s: %w", state, broker.Conflict)
		}
		k.disabled = a.Kind == broker.Disable
	case broker.DeleteMaterial:
		if held := k.version(v.ID); held != nil {
			held.present, held.material = false, material{}
		}
	case broker.Schedule:
		return p.schedule(k, a.Window)
	case broker.Cancel:
		k.deletionAt, k.disabled = time.Time{}, true
	default:
		return fmt.Errorf("no such action: %w", broker.Unsupported)
	}
	return nil
}

// activate lets a name lead to the key, or, where there are no names, makes a
// version the current one.
func (p *Provider) activate(k *key, v broker.VersionRef, a broker.Action) error {
	if a.Consumer != "" {
		if !p.c.Capabilities.Names.Allows(a.Consumer) {
			return fmt.Errorf("the name %q is not allowed: %w", a.Consumer, broker.Rejected)
		}
		if held := p.consumers[a.Consumer]; held != a.Expect {
			return fmt.Errorf("%s leads to %q, not to %q: %w", a.Consumer, held, a.Expect, broker.Conflict)
		}
		p.consumers[a.Consumer] = k.ref.ID
	}
	if held := k.version(v.ID); slices.Contains(k.versions, held) {
		k.current = held
	}
	return nil
}

// deactivate takes a name from the key: back to Expect, or away.
func (p *Provider) deactivate(k *key, a broker.Action) error {
	if held := p.consumers[a.Consumer]; held != k.ref.ID {
		return fmt.Errorf("%s leads to %q, not to this key: %w", a.Consumer, held, broker.Conflict)
	}
	if a.Expect == "" || a.Expect == k.ref.ID {
		delete(p.consumers, a.Consumer)
		return nil
	}
	before, err := p.find(a.Expect)
	if err != nil {
		return fmt.Errorf("find %s: %w", a.Expect, err)
	}
	p.consumers[a.Consumer] = before.ref.ID
	return nil
}

func (p *Provider) schedule(k *key, window time.Duration) error {
	rule := p.c.Capabilities.Deletion
	if window == 0 {
		window = rule.Default
	}
	if window < rule.Min || window > rule.Max {
		return fmt.Errorf("a window of %s is not within %s and %s: %w", window, rule.Min, rule.Max, broker.Rejected)
	}
	k.deletionAt = p.c.Now().UTC().Add(window)
	return nil
}
