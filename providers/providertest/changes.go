package providertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// change is a changing call with how to see whether it happened.
type change struct {
	h        *harness
	call     string
	ready    func(ctx context.Context) error // what must be there first
	send     func(ctx context.Context) error
	happened func(ctx context.Context) (bool, error) // nil where nobody can see it
}

// changes are the names of every changing call; each fault is tried on each that the
// target has.
var changes = []string{
	"prepare", "make-wrapping-key", "import", "activate", "deactivate", "disable", "enable", "set-end", "delete-material", "schedule", "cancel",
}

// change makes one for a call.
func (h *harness) change(call string) *change {
	var c *change
	switch call {
	case "prepare":
		c = h.changePrepare()
	case "make-wrapping-key":
		c = h.changeWrappingKey()
	case "import":
		c = h.changeImport()
	case "activate", "deactivate":
		c = h.changeName(call)
		if !gives(broker.GivenName)(h.caps()) {
			c = h.changePrimary(call)
		}
	case "set-end":
		c = h.changeEnd()
	default:
		c = h.changeState(broker.ActionKind(call))
	}
	c.h, c.call = h, call
	return c
}

func (h *harness) changePrepare() *change {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	return &change{
		ready: func(context.Context) error { return nil },
		send: func(ctx context.Context) error {
			_, err := h.Provider.Prepare(ctx, e, in)
			return err
		},
		happened: func(ctx context.Context) (bool, error) { return h.once(ctx, broker.Query{Effect: e.ID()}) },
	}
}

// once: what was done twice is never right.
func (h *harness) once(ctx context.Context, q broker.Query) (bool, error) {
	seen, err := h.look(ctx, q)
	if len(seen) > 1 {
		err = fmt.Errorf("it happened %d times", len(seen))
	}
	return len(seen) == 1, err
}

// changeWrappingKey: what came of a lost answer is never known, and never used.
func (h *harness) changeWrappingKey() *change {
	return &change{
		ready: func(context.Context) error { return nil },
		send: func(ctx context.Context) error {
			_, err := h.keptKey(ctx, "")
			return err
		},
	}
}

func (h *harness) changeImport() *change {
	in, e := h.simple(), h.effect(broker.StepImport)
	var key broker.KeyRef
	var request broker.ImportIn
	return &change{
		ready: func(ctx context.Context) (err error) {
			if key, err = h.prepare(ctx, in); err != nil {
				return err
			}
			request, err = h.wrapped(ctx, key, in, make1(in.Spec), "")
			return err
		},
		send: func(ctx context.Context) error {
			_, err := h.Provider.Import(ctx, e, request)
			return err
		},
		happened: func(ctx context.Context) (bool, error) {
			if h.given(in) != broker.GivenName {
				return h.once(ctx, broker.Query{Versions: &key})
			}
			o, err := h.one(ctx, broker.Query{Key: &key})
			return o.State == broker.RemoteEnabled, err
		},
	}
}

func (h *harness) changeName(call string) *change {
	var f filled
	name, after := h.freeConsumer(), ""
	return &change{
		ready: func(ctx context.Context) (err error) {
			if f, err = h.fill(ctx, h.giving(broker.GivenName)); err != nil {
				return err
			}
			if call == "activate" {
				after = f.v.Key.ID
				return nil
			}
			return h.do(ctx, f.v, broker.Action{Kind: broker.Activate, Consumer: name})
		},
		send: func(ctx context.Context) error {
			return h.do(ctx, f.v, broker.Action{Kind: broker.ActionKind(call), Consumer: name})
		},
		happened: func(ctx context.Context) (bool, error) {
			now, err := h.leads(ctx, f.in, name)
			return now == after, err
		},
	}
}

// changePrimary moves the primary from the first of two versions to the second, or
// back.
func (h *harness) changePrimary(call string) *change {
	var first, second filled
	return &change{
		ready: func(ctx context.Context) (err error) {
			if first, second, err = h.pair(ctx, h.giving(broker.GivenPrimary)); err == nil {
				err = h.setPrimary(ctx, first, "")
			}
			if err == nil && call == "deactivate" {
				err = h.setPrimary(ctx, second, first.v.ID)
			}
			return err
		},
		send: func(ctx context.Context) error {
			return h.do(ctx, second.v, broker.Action{Kind: broker.ActionKind(call), Consumer: first.consumer, Expect: first.v.ID})
		},
		happened: func(ctx context.Context) (bool, error) {
			now, err := h.leads(ctx, first.in, first.consumer)
			return (now == second.v.ID) == (call == "activate"), err
		},
	}
}

func (h *harness) changeEnd() *change {
	var f filled
	end := h.Now().UTC().Add(90 * 24 * time.Hour).Truncate(time.Second)
	return &change{
		ready: func(ctx context.Context) (err error) {
			f, err = h.ready(ctx)
			return err
		},
		send: func(ctx context.Context) error {
			return h.do(ctx, f.v, broker.Action{Kind: broker.SetEnd, ValidTo: end})
		},
		happened: func(ctx context.Context) (bool, error) {
			o, err := h.one(ctx, broker.Query{Version: &f.v})
			return o.ValidTo.Equal(end), err
		},
	}
}

// stays demands that a change has, or has not, happened: for a yes it may take a moment.
func (c *change) stays(ctx context.Context, yes bool) error {
	if c.happened == nil {
		return nil
	}
	ask := func() error {
		happened, err := c.happened(ctx)
		if err == nil && happened != yes {
			err = fmt.Errorf("it happened: %v", happened)
		}
		return err
	}
	if yes {
		return c.h.eventually(ctx, ask)
	}
	return ask()
}

// start gets ready.
func (c *change) start(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return fmt.Errorf("get ready: %w", err)
	}
	return nil
}

var errHalf = errors.New("half an answer was taken for a whole one")
