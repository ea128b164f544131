package memory

import (
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// consumed is what consumers get by a name: nothing, a key that has no version yet,
// or a version.
func (p *Provider) consumed(name string) (*key, *version) {
	for _, k := range p.keys {
		if k.destroyed {
			continue
		}
		if v, ok := p.consumedOf(k, name); ok {
			return k, v
		}
	}
	return nil, nil
}

func (p *Provider) consumedOf(k *key, name string) (*version, bool) {
	switch k.given() {
	case broker.GivenName:
		return k.version(""), p.consumers[name] == k.ref.ID
	case broker.GivenVersion:
		i := slices.IndexFunc(k.versions, func(v *version) bool { return k.consumer(v) == name })
		if i < 0 {
			return nil, false
		}
		return k.versions[i], true
	default:
		return k.current, name == k.ref.ID && k.current != nil
	}
}

// addressed is the version that is asked, by its own name or by what consumers use.
func (p *Provider) addressed(ref broker.VersionRef) (*key, *version, error) {
	if ref.Via != "" {
		k, v := p.consumed(ref.Via)
		if k == nil {
			return nil, nil, fmt.Errorf("nothing is used by %s: %w", ref.Via, broker.NotFound)
		}
		return k, v, nil
	}
	k, err := p.find(ref.Key.ID)
	if err != nil {
		return nil, nil, err
	}
	v := k.version(ref.ID)
	switch {
	case v == nil && k.apart() && ref.ID != "":
		return nil, nil, fmt.Errorf("no such version: %w", broker.NotFound)
	case v == nil:
		v = k.version("")
	}
	return k, v, nil
}

// names are those that lead to a version or key now, sorted.
func (p *Provider) names(k *key, v *version) []string {
	var names []string
	if name := k.consumer(v); name != "" {
		if held, _ := p.consumedOf(k, name); held == v {
			names = append(names, name)
		}
		return names
	}
	for name, id := range p.consumers {
		if id == k.ref.ID {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
