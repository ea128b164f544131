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
	return ok && a.inner == "KeyDisabled"
}

// disabled yields a version, or the newest, as the list of versions shows it.
func (p *Provider) disabled(ctx context.Context, v broker.VersionRef, yield func(broker.Observation, error) bool) {
	var found *versionEntry
	for entry, err := range p.versionRefs(ctx, v.Key) {
		if err != nil {
			yield(broker.Observation{}, err)
			return
		}
		if entry.ref.ID == v.ID || v.ID == "" && (found == nil || entry.newerThan(*found)) {
			found = &entry
		}
	}
	if found != nil {
		yield(p.observeEntry(found.ref, found.attributes, found.tags), nil)
	}
}

// newerThan by when they were made, which a vault says in seconds.
func (e versionEntry) newerThan(o versionEntry) bool {
	return e.attributes != nil && o.attributes != nil && utc(e.attributes.Created).After(utc(o.attributes.Created))
}
