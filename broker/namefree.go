package broker

import (
	"context"
	"fmt"
	"strings"
)

// namesAreFree asks it of every place. Nobody else begins with one of these names until
// they are released, when this import is on record.
func (l *line) namesAreFree(ctx context.Context) (release func(), err error) {
	var taken []func()
	release = func() {
		for _, free := range taken {
			free()
		}
	}
	for _, p := range l.places {
		name := p.placement.OurName()
		if name == "" {
			continue
		}
		place := []string{p.caps.Provider, p.target.Pins[PinAccount], first(p.target.Place, p.target.Name), name}
		_, free, err := l.b.take(ctx, "name", strings.ToLower(strings.Join(place, "/")))
		if err == nil {
			taken = append(taken, free)
			err = l.nameOnRecord(ctx, p)
		}
		if err == nil && l.leg.at(p) {
			err = l.nameIsFree(ctx, p)
		}
		if err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// nameStillFree looks at a place where nothing was begun yet, and that was not looked at
// when the operation began. A later version finds its key's name taken: by its key.
func (l *line) nameStillFree(ctx context.Context, p *place) error {
	if _, begun := l.effects[l.effect(p, StepPrepare).ID()]; begun || p.free || l.version.Number > 1 {
		return nil
	}
	return l.nameIsFree(ctx, p)
}

// nameIsFree refuses to begin where the name that the key or its consumers will use
// already leads somewhere: an import never takes it from another key.
func (l *line) nameIsFree(ctx context.Context, p *place) error {
	name, query := p.placement.Consumer, Query{Consumer: p.placement.Consumer}
	if p.caps.NamesKeys {
		name, query = p.placement.Terms.Name, Query{Name: p.placement.Terms.Name}
	}
	if name == "" {
		return nil
	}
	held, err := l.look(ctx, p, query)
	if p.free = err == nil && len(held) == 0; err != nil || p.free {
		return err
	}
	hint, err := l.takenName(ctx, held[0])
	if err != nil {
		return err
	}
	taken := &Error{
		Kind: Conflict, Op: "import", Object: "key " + l.key.Name,
		Cause: fmt.Errorf("%s already leads to %s at target %s", name, held[0].Version.Key.ID, p.target.Name), Hint: hint,
	}
	if held[0].State == RemoteScheduled && p.caps.NamesKeys {
		taken.Cause = fmt.Errorf("%s is the name of a deleted key at target %s, and not free before %s", name, p.target.Name, end(held[0].DeletionAt))
		taken.Hint = "recover that key, purge it where the target allows it, or import under another name"
	}
	return taken
}

// nameOnRecord refuses a name that another key of ours has there, or is about to have,
// at this target or at another of the same place: what is not made yet cannot be seen.
func (l *line) nameOnRecord(ctx context.Context, p *place) error {
	for _, t := range l.b.o.Targets {
		if t.Name != p.target.Name && !t.meets(p.target) {
			continue
		}
		for view, err := range l.b.o.Store.Keys(ctx, KeyFilter{Target: t.Name, Name: p.placement.OurName()}) {
			if err != nil {
				return fmt.Errorf("read keys at target %s: %w", t.Name, err)
			}
			for _, q := range view.Placements {
				taken := q.Target == t.Name && q.Step != PlacementAbandoned
				if taken && p.caps.oneName(q.OurName(), p.placement.OurName()) {
					return &Error{
						Kind: Conflict, Op: "import", Object: "key " + l.key.Name,
						Cause: fmt.Errorf("key %s has the name %s at target %s already", view.Key.Name, q.OurName(), t.Name),
						Hint:  "import under another name",
					}
				}
			}
		}
	}
	return nil
}

// OurName is the name of ours that leads to a placement: its key's own, or its
// consumers'.
func (p Placement) OurName() string { return first(p.Terms.Name, p.Consumer) }

// meets reports whether two targets are one place, where one name leads to one key.
func (t Target) meets(u Target) bool {
	return t.Place != "" && strings.EqualFold(t.Place, u.Place) && t.Pins[PinAccount] == u.Pins[PinAccount] &&
		t.Pins[PinEndpoint] == u.Pins[PinEndpoint] && t.Provider.Capabilities().Provider == u.Provider.Capabilities().Provider
}

// alone refuses a target at which the key would have the name that it has at one
// before it.
func (w *want) alone(t Target) error {
	for _, u := range w.targets {
		name := t.nameOf(w.name)
		if t.meets(u) && t.Provider.Capabilities().oneName(name, u.nameOf(w.name)) {
			return misuse("import "+w.name, fmt.Sprintf("targets %s and %s are both %s, where the key would be %s twice", u.Name, t.Name, t.Place, name))
		}
	}
	return nil
}

// oneName reports whether two names lead to one thing: names of consumers tell upper
// from lower case, not all names of keys do.
func (c Capabilities) oneName(a, b string) bool {
	return a == b || c.NamesKeys && strings.EqualFold(a, b)
}
