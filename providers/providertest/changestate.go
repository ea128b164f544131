package providertest

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// before are the actions that must be done first.
var before = map[broker.ActionKind]broker.ActionKind{broker.Enable: broker.Disable, broker.Cancel: broker.Schedule}

// changeState is an action that leaves the version, or key, in another state.
func (h *harness) changeState(kind broker.ActionKind) *change {
	var f filled
	ref := func() broker.VersionRef {
		if kind == broker.Schedule || kind == broker.Cancel {
			return h.scheduling(f)
		}
		return f.v
	}
	return &change{
		ready: func(ctx context.Context) (err error) {
			if f, err = h.ready(ctx); err != nil || before[kind] == "" {
				return err
			}
			if err := h.do(ctx, ref(), broker.Action{Kind: before[kind]}); err != nil {
				return err
			}
			return h.awaited(ctx, f, before[kind])
		},
		send:     func(ctx context.Context) error { return h.do(ctx, ref(), broker.Action{Kind: kind}) },
		happened: func(ctx context.Context) (bool, error) { return h.isAfter(ctx, f, kind) },
	}
}

func (h *harness) awaited(ctx context.Context, f filled, kind broker.ActionKind) error {
	return h.eventually(ctx, func() error {
		done, err := h.isAfter(ctx, f, kind)
		if err == nil && !done {
			err = fmt.Errorf("it did not %s", kind)
		}
		return err
	})
}

// isAfter reports whether a version is as an action leaves it.
func (h *harness) isAfter(ctx context.Context, f filled, kind broker.ActionKind) (bool, error) {
	q := h.query(f)
	if h.scheduling(f).ID == "" {
		q = broker.Query{Key: &f.v.Key}
	}
	o, err := h.one(ctx, q)
	switch kind {
	case broker.Enable:
		return o.State == broker.RemoteEnabled, err
	case broker.DeleteMaterial:
		return o.State == broker.RemotePending, err
	case broker.Schedule:
		return o.State == broker.RemoteScheduled, err
	case broker.Cancel:
		return o.State == broker.RemoteDisabled || h.given(f.in) == broker.GivenNewest && o.State == broker.RemoteEnabled, err
	default: // disable
		return o.State == broker.RemoteDisabled, err
	}
}
