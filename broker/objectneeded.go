package broker

import (
	"context"
	"fmt"
	"slices"
)

// servesNobody refuses while anything at any target may need an object of the token: its
// copy is the only one that could bring the material back. What cannot be seen is a
// refusal: a target that does not answer, and one on record that the config does not have.
func (b *Broker) servesNobody(ctx context.Context, req OrphanRequest, keyID string) error {
	if err := b.allConfigured(ctx, req); err != nil {
		return err
	}
	for _, name := range targetNames(b.o.Targets) {
		t, err := b.target(name)
		if err == nil {
			err = b.trust(ctx, []Target{t})
		}
		if err == nil {
			err = b.servesNobodyAt(ctx, t, req, keyID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// allConfigured refuses where a target was enrolled that no target of the config is, by
// whatever name: it cannot be asked.
func (b *Broker) allConfigured(ctx context.Context, req OrphanRequest) error {
	enrolled, err := b.o.Store.Enrolments(ctx)
	if err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	for _, e := range enrolled {
		same := func(t Target) bool { return t.Name == e.Name || e.Matches(t.Environment, t.Pins) == nil }
		if e.Kind == EnrolTarget && !slices.ContainsFunc(b.o.Targets, same) {
			return refuseOrphan(req, Conflict, "target "+e.Name+" is on record and not in the config: whether a key there needs it cannot be seen",
				"put it back into the config")
		}
	}
	return nil
}

// servesNobodyAt refuses while something at one target may need the object.
func (b *Broker) servesNobodyAt(ctx context.Context, t Target, req OrphanRequest, keyID string) error {
	seen, err := everythingOf(ctx, t, keyID)
	if err != nil {
		return err
	}
	for _, o := range seen {
		needed := !ended(o.State)
		if o.Restorable && !needed {
			given, err := b.givenUp(ctx, t, o)
			if err != nil {
				return err
			}
			needed = !given
		}
		if needed {
			return refuseOrphan(req, Conflict, neededBy(t, o), first(o.restoredBy(), "remove that first: "+removal(o.Version.Key.ID, "", "--target "+t.Name)))
		}
	}
	return nil
}

func neededBy(t Target, o Observation) string {
	if o.HasMaterial {
		return fmt.Sprintf("key %s at target %s may hold it, and is %s", o.Version.Key.ID, t.Name, o.State)
	}
	return fmt.Sprintf("key %s at target %s may need it to be of use again, and is %s", o.Version.Key.ID, t.Name, o.State)
}

// restoredBy is what is left to do about material that is gone, and that an import would
// bring back; "" where it is not that.
func (o Observation) restoredBy() string {
	if !o.Restorable {
		return ""
	}
	return "importing the same material would bring that back; if nobody will ever want it, destroy the object with the token's own tools"
}

// givenUp: a person had the broker remove it, by itself or with its key.
func (b *Broker) givenUp(ctx context.Context, t Target, o Observation) (bool, error) {
	for _, version := range []string{"", o.Version.ID} {
		_, done, err := b.removalOf(ctx, Orphan{Target: t.Name, Key: o.Version.Key, Version: version})
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// everythingOf is all at a target that is marked with a key id of ours: every version,
// where keys hold several. A mark is a version's own where imports mark it, and the
// key's elsewhere.
func everythingOf(ctx context.Context, t Target, keyID string) (all []Observation, err error) {
	seen, err := look(ctx, t, Query{All: true})
	if err != nil {
		return nil, err
	}
	caps := t.Provider.Capabilities()
	for _, o := range seen {
		found := []Observation{o}
		if marked := o.KeyID == keyID || caps.ImportMarks; marked && o.WrappingKey == "" && caps.manyVersions() && o.State != RemoteScheduled {
			if found, err = look(ctx, t, Query{Versions: &o.Version.Key}); err != nil {
				return nil, err
			}
		}
		all = append(all, slices.DeleteFunc(found, func(o Observation) bool { return o.KeyID != keyID })...)
	}
	return all, nil
}
