package broker

import (
	"context"
	"fmt"
	"iter"
)

// shut is the provider of a target that could not be opened.
type shut struct {
	caps Capabilities
	why  error
}

// Shut stands for a provider at a target that could not be opened, so that the others can
// be worked with: whoever uses the target gets the reason, and doctor shows it. name and
// service are as in Capabilities.
func Shut(name, service string, why error) Provider {
	caps := Capabilities{Provider: name, Service: service, Specs: map[KeySpec]SpecCapability{}}
	for _, spec := range KeySpecs() {
		caps.Specs[spec] = SpecCapability{Unsupported: "the target cannot be opened"}
	}
	return shut{caps, why}
}

// fault is why a target cannot be used at all; nil where it was opened.
func (t Target) fault() error {
	if p, ok := t.Provider.(shut); ok {
		return askedError{fmt.Errorf("open target %s: %w", t.Name, p.why)}
	}
	return nil
}

// isShut puts down a target that could not be opened: nothing else can be said of it.
func (d *Diagnosis) isShut(t Target) bool {
	err := t.fault()
	if err != nil {
		d.add("target "+t.Name, "open", err, "")
	}
	return err != nil
}

// Capabilities implements Provider: it takes nothing.
func (p shut) Capabilities() Capabilities { return p.caps }

// Prepare implements Provider.
func (p shut) Prepare(context.Context, Effect, PrepareIn) (Prepared, error) {
	return Prepared{}, p.why
}

// WrappingKey implements Provider.
func (p shut) WrappingKey(context.Context, Effect, WrappingKeyIn) (WrappingKey, error) {
	return WrappingKey{}, p.why
}

// Import implements Provider.
func (p shut) Import(context.Context, Effect, ImportIn) (Imported, error) { return Imported{}, p.why }

// Do implements Provider.
func (p shut) Do(context.Context, Effect, VersionRef, Action) (Receipt, error) {
	return Receipt{}, p.why
}

// Prove implements Provider.
func (p shut) Prove(context.Context, VersionRef, Challenge) (Answer, error) { return Answer{}, p.why }

// Look implements Provider.
func (p shut) Look(context.Context, Query) iter.Seq2[Observation, error] {
	return func(yield func(Observation, error) bool) { yield(Observation{}, p.why) }
}
