package providertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func (h *harness) look(ctx context.Context, q broker.Query) ([]broker.Observation, error) {
	var seen []broker.Observation
	for o, err := range h.Provider.Look(ctx, q) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, o)
	}
	return seen, nil
}

// one is the only thing that a query yields.
func (h *harness) one(ctx context.Context, q broker.Query) (broker.Observation, error) {
	seen, err := h.look(ctx, q)
	if err == nil && len(seen) != 1 {
		err = fmt.Errorf("%d things were seen, not one", len(seen))
	}
	if err != nil {
		return broker.Observation{}, fmt.Errorf("look: %w", err)
	}
	return seen[0], nil
}

// none demands that a query yields nothing.
func (h *harness) none(ctx context.Context, q broker.Query) error {
	seen, err := h.look(ctx, q)
	if err == nil && len(seen) > 0 {
		err = fmt.Errorf("%d things were seen, the first %s, %s", len(seen), seen[0].Version.Key.ID, seen[0].State)
	}
	return err
}

// becomes waits until what a query yields is in the state: what was changed may take a
// moment to show.
func (h *harness) becomes(ctx context.Context, q broker.Query, state broker.RemoteState) error {
	return h.eventually(ctx, func() error {
		o, err := h.one(ctx, q)
		if err == nil && o.State != state {
			err = fmt.Errorf("it is %s (%s), not %s", o.State, o.Raw, state)
		}
		return err
	})
}

func (h *harness) state(ctx context.Context, f filled, state broker.RemoteState) error {
	return h.becomes(ctx, h.query(f), state)
}

// empty demands that nothing came into a key: where the import makes it, that there is
// none.
func (h *harness) empty(ctx context.Context, key broker.KeyRef) error {
	if h.caps().ImportMakesKey {
		return h.none(ctx, broker.Query{Key: &key})
	}
	return h.becomes(ctx, broker.Query{Key: &key}, broker.RemotePending)
}

// leads is what consumers get by a name: the key where that is one of ours, else the
// version; "" nothing.
func (h *harness) leads(ctx context.Context, in broker.PrepareIn, name string) (string, error) {
	seen, err := h.look(ctx, broker.Query{Consumer: name})
	switch {
	case err != nil || len(seen) == 0:
		return "", err
	case len(seen) > 1:
		return "", fmt.Errorf("%s leads to %d things", name, len(seen))
	case h.given(in) == broker.GivenName:
		return seen[0].Version.Key.ID, nil
	default:
		return seen[0].Version.ID, nil
	}
}

// leadsTo waits until consumers get just this by a name.
func (h *harness) leadsTo(ctx context.Context, in broker.PrepareIn, name, want string) error {
	return h.eventually(ctx, func() error {
		now, err := h.leads(ctx, in, name)
		if err == nil && now != want {
			err = fmt.Errorf("%s leads to %q, not to %q", name, now, want)
		}
		return err
	})
}

// soon is how long something that has happened may take to show in a test.
const soon = 15 * time.Second

// eventually asks until there is no error, for a while, and at least once.
func (h *harness) eventually(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(h.Soon, soon))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// is demands an error of one of the kinds, shaped for people.
func is(err error, kinds ...broker.Kind) error {
	if err == nil {
		return fmt.Errorf("there was no error, %v was promised", kinds)
	}
	e, ok := errors.AsType[*broker.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("the error is a %T, not a *broker.Error: %w", err, err)
	case !slices.Contains(kinds, e.Kind):
		return fmt.Errorf("the error is of kind %q, %v was promised: %w", string(e.Kind), kinds, err)
	case e.Op == "" || e.Object == "":
		return fmt.Errorf("the error does not say what was done to what: %w", err)
	}
	return nil
}

// named is is, with what was tried.
func named(what string, err error, kinds ...broker.Kind) error {
	if err := is(err, kinds...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
