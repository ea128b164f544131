package memory

import (
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// place decides which version the material is.
func (p *Provider) place(k *key, in broker.ImportIn, m material) (*version, error) {
	if k.apart() {
		return p.placeApart(k, in, m)
	}
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
	return p.add(k, in, m), nil
}

// placeApart: each import makes a version, but for one that gives back what was
// destroyed, or failed.
func (p *Provider) placeApart(k *key, in broker.ImportIn, m material) (*version, error) {
	switch {
	case in.Kind == broker.ImportNew && (len(k.versions) == 0 || p.c.Capabilities.Specs[k.in.Spec].SecondVersion):
		return p.add(k, in, m), nil
	case in.Kind == broker.ImportNew:
		return nil, fmt.Errorf("the key holds material already: %w", broker.Rejected)
	case in.Kind != broker.ImportRestore || in.Version == nil || !p.c.Capabilities.Deletion.KeysStay:
		return nil, fmt.Errorf("importing again makes another version: %w", broker.Unsupported)
	}
	v := k.version(in.Version.ID)
	if v == nil {
		return nil, fmt.Errorf("no such version: %w", broker.NotFound)
	}
	switch s := v.state(); {
	case s != broker.RemoteDestroyed && s != broker.RemoteFailed:
		return nil, fmt.Errorf("version %s is %s: %w", v.id, s, broker.Conflict)
	case v.sha256 != "" && v.sha256 != m.sha256():
		return nil, fmt.Errorf("it is other material than version %s had: %w", v.id, broker.Differs)
	default:
		v.disabled = false // an import ends enabled, whatever the version was before
		return v, nil
	}
}

func (p *Provider) add(k *key, in broker.ImportIn, m material) *version {
	of := k.in
	if in.Of.Number > 0 {
		of = in.Of
	} else {
		of.Number += len(k.versions)
	}
	v := k.add(m, of)
	v.createdAt = p.c.Now().UTC()
	return v
}
