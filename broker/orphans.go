package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Orphan is an object in the token that no version on record has, or a key at a target that carries the broker's mark and that no
// placement on record names, a version of a key of ours that none names, or a wrapping
// key that no operation on record had made: made by a call whose answer came after all,
// or by somebody else; or what was taken back and is there again. It is never used, and
// never deleted but by RemoveOrphan, which a person asks for.
type Orphan struct {
	Target      string      `json:"target"`
	Key         KeyRef      `json:"key"`
	Version     string      `json:"version,omitempty"`      // of a key that is on record, or of a wrapping key
	WrappingKey string      `json:"wrapping_key,omitempty"` // its id, where it is one
	Material    MaterialID  `json:"material,omitempty"`     // where it is an object in the token, at no target
	Name        string      `json:"name,omitempty"`         // the key name it is marked with
	Effect      string      `json:"effect,omitempty"`
	State       RemoteState `json:"state"`
	HasMaterial bool        `json:"has_material"`
	Do          string      `json:"do"` // the command that removes it, or why there is none
	Observation Observation `json:"observation"`
}

func orphanOf(target string, o Observation) Orphan {
	return Orphan{
		Target: target, Key: o.Version.Key, WrappingKey: o.WrappingKey, Name: o.Name, Effect: o.Effect, State: o.State, HasMaterial: o.HasMaterial, Observation: o,
	}
}

func orphanVersion(target string, o Observation) Orphan {
	orphan := orphanOf(target, o)
	orphan.Version = o.Version.ID
	return orphan
}

// StrayObjects are objects of ours in the token that no version on record has.
func (b *Broker) StrayObjects(ctx context.Context) ([]Orphan, error) {
	setup, err := b.trustedToken(ctx)
	if err != nil {
		return nil, err
	}
	return b.strayObjects(ctx, setup)
}

// Orphans looks through everything of the named targets, all of the configured
// ones when there is none. It changes nothing.
func (b *Broker) Orphans(ctx context.Context, names []string) ([]Orphan, error) {
	if len(names) == 0 {
		names = targetNames(b.o.Targets)
	}
	var orphans []Orphan
	for _, name := range names {
		t, err := b.target(name)
		if err != nil {
			return nil, err
		}
		if err := b.trust(ctx, []Target{t}); err != nil {
			return nil, err
		}
		found, err := b.orphansAt(ctx, t)
		if err != nil {
			return nil, err
		}
		orphans = append(orphans, found...)
	}
	return orphans, nil
}

// orphansAt looks at the target first and at the record then: what was put on
// record meanwhile is no orphan. What is read of the record before says only which
// keys' versions are looked at.
func (b *Broker) orphansAt(ctx context.Context, t Target) ([]Orphan, error) {
	seen, err := look(ctx, t, Query{All: true})
	if err != nil {
		return nil, err
	}
	before, err := b.recordedAt(ctx, t)
	if err != nil {
		return nil, err
	}
	versions, wrapping, err := lookInto(ctx, t, seen, before)
	if err != nil {
		return nil, err
	}
	known, err := b.recordedAt(ctx, t)
	if err != nil {
		return nil, err
	}
	orphans := slices.Concat(orphansAmong(t.Name, seen, known), twinsAmong(t.Name, versions, known), strangeWrappingKeys(t.Name, wrapping, known))
	for i, o := range orphans {
		orphans[i] = o.advise(t.Provider.Capabilities())
	}
	return orphans, nil
}

// lookInto yields the versions of the keys on record, where keys hold several, and of
// the wrapping keys.
func lookInto(ctx context.Context, t Target, seen []Observation, known recorded) (versions, wrapping []Observation, err error) {
	many := t.Provider.Capabilities().manyVersions()
	for _, o := range seen {
		ours := many && known.keys[o.Version.Key.ID]
		if o.WrappingKey == "" && !ours {
			continue
		}
		found, err := look(ctx, t, Query{Versions: &o.Version.Key})
		if err != nil {
			return nil, nil, err
		}
		if o.WrappingKey != "" {
			wrapping = append(wrapping, found...)
		} else {
			versions = append(versions, found...)
		}
	}
	return versions, wrapping, nil
}

// manyVersions: keys hold several versions, which are listed.
func (c Capabilities) manyVersions() bool { return c.ImportMarks || c.ImportLists }

// recorded is what the record names at a target.
type recorded struct {
	keys         map[string]bool     // ids of keys
	versions     map[VersionRef]bool // without Via; one without an ID is being imported
	wrappingKeys map[string]bool     // ids of those that operations had made, ended or not
}

// recordedAt reads the record of a target once.
func (b *Broker) recordedAt(ctx context.Context, t Target) (recorded, error) {
	known := recorded{keys: map[string]bool{}, versions: map[VersionRef]bool{}, wrappingKeys: map[string]bool{}}
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{Target: t.Name}) {
		if err != nil {
			return recorded{}, fmt.Errorf("read keys at target %s: %w", t.Name, err)
		}
		for _, p := range view.Placements {
			if p.Target != t.Name {
				continue
			}
			gone := p.Step == PlacementAbandoned // or there again, which is listed
			if !gone || t.Provider.Capabilities().manyVersions() {
				known.keys[p.Version.Key.ID] = true
			}
			if p.Version.ID != "" && !gone || p.Step == PlacementIntended {
				known.versions[VersionRef{Key: p.Version.Key, ID: p.Version.ID}] = true
			}
		}
	}
	if !t.Provider.Capabilities().KeepsWrappingKeys {
		return known, nil
	}
	kept, err := b.keptWrappingKeys(ctx, t.Name)
	for _, k := range kept {
		known.wrappingKeys[k.Ref] = true
	}
	return known, err
}

// orphansAmong is the decision; pure.
func orphansAmong(target string, seen []Observation, known recorded) []Orphan {
	var orphans []Orphan
	for _, o := range seen {
		going := o.State == RemoteScheduled || o.State == RemoteDestroyed
		if o.Effect == "" || o.WrappingKey != "" || going || known.keys[o.Version.Key.ID] {
			continue
		}
		orphans = append(orphans, orphanOf(target, o))
	}
	slices.SortFunc(orphans, func(a, b Orphan) int { return strings.Compare(a.Key.ID, b.Key.ID) })
	return orphans
}

// twinsAmong the versions of keys on record are those that no placement names; pure. A
// key one of whose versions is being imported has no id of it on record yet: nothing of
// it is called a twin.
func twinsAmong(target string, seen []Observation, known recorded) []Orphan {
	var twins []Orphan
	for _, o := range seen {
		importing := known.versions[VersionRef{Key: o.Version.Key}]
		if ended(o.State) || importing || known.versions[VersionRef{Key: o.Version.Key, ID: o.Version.ID}] {
			continue
		}
		twins = append(twins, orphanVersion(target, o))
	}
	return twins
}

// strangeWrappingKeys are those that no operation on record had made, marked or not:
// whoever may write at the target can plant one. One that is disabled serves nobody, and
// disabling it is all that can be done where versions cannot be deleted; pure.
func strangeWrappingKeys(target string, seen []Observation, known recorded) []Orphan {
	var strange []Orphan
	for _, o := range seen {
		if o.WrappingKey == "" || known.wrappingKeys[o.WrappingKey] || o.State != RemoteEnabled || past(o) {
			continue
		}
		strange = append(strange, orphanVersion(target, o))
	}
	return strange
}

// past its end, by the clock that it was seen with.
func past(o Observation) bool { return !o.ValidTo.IsZero() && !o.ValidTo.After(o.SeenAt) }
