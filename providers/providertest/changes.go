package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// change is a changing call with how to see whether it happened.
type change struct {
	h        *harness
	call     string
	ready    func(ctx context.Context) error // what must be there first
	send     func(ctx context.Context) error
	happened func(ctx context.Context) (bool, error)
}

// changes are the names of every changing call; each fault is tried on each.
var changes = []string{"prepare", "import", "activate", "deactivate", "disable", "enable", "delete-material", "schedule", "cancel"}

// reads are the calls that change nothing.
var reads = []string{"wrapping-key", "prove", "look", "identify"}

// change makes one for a call.
func (h *harness) change(call string) *change {
	var c *change
	switch call {
	case "prepare":
		c = h.changePrepare()
	case "import":
		c = h.changeImport()
	case "activate", "deactivate":
		c = h.changeName(call)
	default:
		c = h.changeState(call)
	}
	c.h = h
	return c
}

func (h *harness) changePrepare() *change {
	in, e := h.simple(), h.effect(broker.StepPrepare)
	return &change{
		call:  "prepare",
		ready: func(context.Context) error { return nil },
		send: func(ctx context.Context) error {
			_, err := h.Provider.Prepare(ctx, e, in)
			return err
		},
		happened: func(ctx context.Context) (bool, error) {
			seen, err := h.look(ctx, broker.Query{Effect: e.ID()})
			if len(seen) > 1 {
				err = fmt.Errorf("it happened %d times", len(seen))
			}
			return len(seen) == 1, err
		},
	}
}

func (h *harness) changeImport() *change {
	in := h.simple()
	var key broker.KeyRef
	var request broker.ImportIn
	return &change{
		call: "import",
		ready: func(ctx context.Context) (err error) {
			if key, err = h.prepare(ctx, in); err != nil {
				return err
			}
			request, err = h.wrapped(ctx, key, make1(in.Spec), h.Provider.Capabilities().Specs[in.Spec].Mechanisms[0])
			return err
		},
		send: func(ctx context.Context) error {
			_, err := h.Provider.Import(ctx, h.effect(broker.StepImport), request)
			return err
		},
		happened: func(ctx context.Context) (bool, error) { return h.isIn(ctx, &key, broker.RemoteEnabled) },
	}
}

func (h *harness) isIn(ctx context.Context, key *broker.KeyRef, state broker.RemoteState) (bool, error) {
	o, err := h.one(ctx, broker.Query{Key: key})
	return o.State == state, err
}

func (h *harness) changeName(call string) *change {
	var v broker.VersionRef
	name, after := h.consumer(), ""
	return &change{
		call: call,
		ready: func(ctx context.Context) (err error) {
			if v, _, _, err = h.ready(ctx); err != nil {
				return err
			}
			if call == "activate" {
				after = v.Key.ID
				return nil
			}
			return h.do(ctx, v, broker.Action{Kind: broker.Activate, Consumer: name})
		},
		send: func(ctx context.Context) error {
			return h.do(ctx, v, broker.Action{Kind: broker.ActionKind(call), Consumer: name})
		},
		happened: func(ctx context.Context) (bool, error) {
			now, err := h.leads(ctx, name)
			return now == after, err
		},
	}
}

// changeState is an action that leaves the key in another state.
func (h *harness) changeState(call string) *change {
	before, after := broker.ActionKind(""), broker.RemoteDisabled
	switch broker.ActionKind(call) {
	default: // disable
	case broker.Enable:
		before, after = broker.Disable, broker.RemoteEnabled
	case broker.DeleteMaterial:
		after = broker.RemotePending
	case broker.Schedule:
		after = broker.RemoteScheduled
	case broker.Cancel:
		before = broker.Schedule
	}
	var v broker.VersionRef
	return &change{
		call: call,
		ready: func(ctx context.Context) (err error) {
			v, _, _, err = h.ready(ctx)
			if err == nil && before != "" {
				err = h.do(ctx, v, broker.Action{Kind: before})
			}
			return err
		},
		send:     func(ctx context.Context) error { return h.do(ctx, v, broker.Action{Kind: broker.ActionKind(call)}) },
		happened: func(ctx context.Context) (bool, error) { return h.isIn(ctx, &v.Key, after) },
	}
}

// stays demands that a change has, or has not, happened: for a yes it may take a moment.
func (c *change) stays(ctx context.Context, yes bool) error {
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
