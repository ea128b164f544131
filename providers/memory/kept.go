package memory

import (
	"crypto/rsa"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// importOnly is what a wrapping key may do, and nothing else.
func importOnly() []string { return []string{"import"} }

// makeKept makes a wrapping key that is kept.
func (p *Provider) makeKept(in broker.WrappingKeyIn) (string, *wrapping, error) {
	if !p.wrapsBy(in.Mechanism) {
		return "", nil, fmt.Errorf("%s is not for anything: %w", in.Mechanism, broker.Unsupported)
	}
	w := p.nextWrapping(in.Mechanism, 30*day)
	w.ref = p.nextKept()
	return p.hold(w.ref, w), w, nil
}

func (p *Provider) nextKept() string {
	return fmt.Sprintf("memory:%s:wrapping-key/%d", p.c.Account, len(p.tokens)+1)
}

func (p *Provider) wrapsBy(m broker.Mechanism) bool {
	for _, c := range p.c.Capabilities.Specs {
		if slices.Contains(c.Mechanisms, m) {
			return true
		}
	}
	return false
}

// fetchKept fetches just the one that is named, if it can still be used.
func (p *Provider) fetchKept(in broker.WrappingKeyIn) (string, *wrapping, error) {
	w, ok := p.tokens[in.Kept]
	switch {
	case !ok:
		return "", nil, fmt.Errorf("there is no wrapping key %s: %w", in.Kept, broker.NotFound)
	case !slices.Equal(w.operations, importOnly()):
		return "", nil, fmt.Errorf("wrapping key %s may %v, not import alone: %w", in.Kept, w.operations, broker.Rejected)
	case w.mechanism != in.Mechanism:
		return "", nil, fmt.Errorf("wrapping key %s is for %s, not %s: %w", in.Kept, w.mechanism, in.Mechanism, broker.Rejected)
	default:
		return in.Kept, w, w.usable(p.c.Now())
	}
}

// usable refuses a wrapping key outside its time, as Expired.
func (w *wrapping) usable(now time.Time) error {
	switch {
	case w.disabled:
		return fmt.Errorf("the wrapping key is disabled: %w", broker.Expired)
	case now.Before(w.begins):
		return fmt.Errorf("the wrapping key is not valid before %s: %w", w.begins.Format(time.RFC3339), broker.Expired)
	case !w.expires.IsZero() && !now.Before(w.expires):
		return fmt.Errorf("the import token ended at %s: %w", w.expires.Format(time.RFC3339), broker.Expired)
	default:
		return nil
	}
}

// PlantedWrappingKey is a wrapping key that somebody else made, or changed.
type PlantedWrappingKey struct {
	Ref          string          // of the one that it replaces; "" it is a new one
	Key          *rsa.PrivateKey // nil: the next of the configured ones
	Mechanism    broker.Mechanism
	Begins, Ends time.Time // zero: at any time
	Disabled     bool
	Operations   []string // what it may do; nil is import alone
}

// PlantWrappingKey makes or changes a kept wrapping key behind the broker's back, and
// answers its ref.
func (p *Provider) PlantWrappingKey(plant PlantedWrappingKey) string {
	ref := plant.Ref
	_ = p.locked(func() error { // planting cannot fail
		if ref == "" {
			ref = p.nextKept()
		}
		w := &wrapping{
			key: plant.Key, ref: ref, mechanism: plant.Mechanism, begins: plant.Begins, expires: plant.Ends,
			disabled: plant.Disabled, operations: plant.Operations,
		}
		if w.key == nil {
			w.key = p.nextWrapping(w.mechanism, day).key
		}
		if w.operations == nil {
			w.operations = importOnly()
		}
		p.hold(ref, w)
		return nil
	})
	return ref
}
