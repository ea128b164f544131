package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Orphan is a key at a target that carries the broker's mark and that no
// placement on record names, or a version of a key of ours that none names: made by
// a call whose answer came after all, or by somebody else. It is never used, and never deleted without being
// asked for by a person.
type Orphan struct {
	Target      string      `json:"target"`
	Key         KeyRef      `json:"key"`
	Version     string      `json:"version,omitempty"` // of a key that is on record
	Name        string      `json:"name,omitempty"`    // the key name it is marked with
	Effect      string      `json:"effect,omitempty"`
	State       RemoteState `json:"state"`
	HasMaterial bool        `json:"has_material"`
	Observation Observation `json:"observation"`
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
// record meanwhile is no orphan.
func (b *Broker) orphansAt(ctx context.Context, t Target) ([]Orphan, error) {
	seen, err := look(ctx, t, Query{All: true})
	if err != nil {
		return nil, err
	}
	known, err := b.recorded(ctx, t)
	if err != nil {
		return nil, err
	}
	orphans := orphansAmong(t.Name, seen, known)
	for _, o := range seen {
		if !known[o.Version.Key.ID] || !t.Provider.Capabilities().manyVersions() {
			continue
		}
		more, err := b.twinsAt(ctx, t, o.Version.Key)
		if err != nil {
			return nil, err
		}
		orphans = append(orphans, more...)
	}
	return orphans, nil
}

// manyVersions: keys hold several versions, which are listed.
func (c Capabilities) manyVersions() bool { return c.ImportMarks || c.ImportLists }

// twinsAt are the versions of a key on record that no placement names.
func (b *Broker) twinsAt(ctx context.Context, t Target, key KeyRef) ([]Orphan, error) {
	seen, err := look(ctx, t, Query{Versions: &key})
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{Target: t.Name}) {
		if err != nil {
			return nil, fmt.Errorf("read keys at target %s: %w", t.Name, err)
		}
		for _, p := range view.Placements {
			if p.Target == t.Name && p.Version.Key == key && (p.Version.ID != "" || p.Step == PlacementIntended) {
				known[p.Version.ID] = true
			}
		}
	}
	return twinsAmong(t.Name, seen, known), nil
}

// twinsAmong is the decision; pure. A key one of whose versions is being imported has
// no id of it on record yet: nothing of it is called a twin.
func twinsAmong(target string, seen []Observation, known map[string]bool) []Orphan {
	var twins []Orphan
	for _, o := range seen {
		ended := o.State == RemoteScheduled || o.State == RemoteDestroyed || o.State == RemoteFailed
		if ended || known[o.Version.ID] || known[""] {
			continue
		}
		twins = append(twins, Orphan{
			Target: target, Key: o.Version.Key, Version: o.Version.ID, Name: o.Name, Effect: o.Effect, State: o.State, HasMaterial: o.HasMaterial, Observation: o,
		})
	}
	return twins
}

// recorded are the ids of the keys at a target that placements name.
func (b *Broker) recorded(ctx context.Context, t Target) (map[string]bool, error) {
	known := map[string]bool{}
	for view, err := range b.o.Store.Keys(ctx, KeyFilter{Target: t.Name}) {
		if err != nil {
			return nil, fmt.Errorf("read keys at target %s: %w", t.Name, err)
		}
		for _, p := range view.Placements {
			known[p.Version.Key.ID] = known[p.Version.Key.ID] || p.Target == t.Name
		}
	}
	return known, nil
}

// orphansAmong is the decision; pure.
func orphansAmong(target string, seen []Observation, known map[string]bool) []Orphan {
	var orphans []Orphan
	for _, o := range seen {
		ended := o.State == RemoteScheduled || o.State == RemoteDestroyed
		if o.Effect == "" || ended || known[o.Version.Key.ID] {
			continue
		}
		orphans = append(orphans, Orphan{
			Target: target, Key: o.Version.Key, Name: o.Name, Effect: o.Effect, State: o.State, HasMaterial: o.HasMaterial, Observation: o,
		})
	}
	slices.SortFunc(orphans, func(a, b Orphan) int { return strings.Compare(a.Key.ID, b.Key.ID) })
	return orphans
}
