package azurekv

import (
	"context"
	"errors"

	"github.com/keyferry/keyferry/broker"
)

// shutAway reports whether a version was not shown because it is disabled. That is what
// a vault does with secrets; of keys no page says it.
func shutAway(err error) bool {
	a, ok := errors.AsType[*answer](err)
	return ok && a.disabled()
}

// disabled yields a version, or the newest, as the list of versions shows it.
func (p *Provider) disabled(ctx context.Context, v broker.VersionRef, yield func(broker.Observation, error) bool) {
	var found versionEntry
	alone := true
	for entry, err := range p.versionRefs(ctx, v.Key) {
		if err != nil {
			yield(broker.Observation{}, err)
			return
		}
		switch asked := v.ID == "" && entry.isDisabled() || v.ID != "" && entry.ref.ID == v.ID; {
		case !asked:
		case found.ref.ID == "" || entry.created().After(found.created()):
			found, alone = entry, true
		default:
			alone = alone && found.created().After(entry.created())
		}
	}
	if found.ref.ID == "" {
		c := p.reading("look at", v)
		yield(broker.Observation{}, incomplete(c, "says that it is disabled, and no list shows it so: look again"))
		return
	}
	o := p.observeEntry(found.ref, found.attributes, found.tags)
	if !alone {
		o.Raw += ", as another made in the same second is: one of them is the newest"
	}
	yield(o, nil)
}
