package providertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

func faultChecks() []check {
	var checks []check
	for _, call := range changes {
		checks = append(checks, check{
			name: call + ": an answer about another account is tampering", when: naming(call), needs: []Need{NeedForeign, NeedFaults},
			run: func(ctx context.Context, h *harness) error {
				return ends(Fault{Kind: Foreign}, broker.Tampered, true)(ctx, h, h.change(call))
			},
		})
		for _, c := range changeFaults {
			checks = append(checks, check{
				name: call + ": " + c.name, when: has(call), needs: c.needs,
				run: func(ctx context.Context, h *harness) error { return c.run(ctx, h, h.change(call)) },
			})
		}
	}
	return checks
}

// changeFaults is what can go wrong with a changing call, and what it must look like.
var changeFaults = []struct {
	name  string
	needs []Need
	run   func(ctx context.Context, h *harness, c *change) error
}{
	{"a request that never arrives is unclear and did nothing", []Need{NeedFaults}, ends(Fault{Kind: LostBefore}, broker.Unclear, false)},
	{"an answer that is lost is unclear and it happened", []Need{NeedFaults}, ends(Fault{Kind: LostAfter}, broker.Unclear, true)},
	{"a server fault is unclear", []Need{NeedFaults}, ends(Fault{Kind: FailBefore}, broker.Unclear, false)},
	{"a server fault after it was done is unclear", []Need{NeedFaults}, ends(Fault{Kind: FailAfter}, broker.Unclear, true)},
	{"an answer cut short is unclear, or not needed, and it happened", []Need{NeedSending}, cutShort},
	{"a slow answer is an answer", []Need{NeedSending}, ends(Fault{Kind: Slow}, "", true)},
	{"throttled without a time", []Need{NeedFaults}, throttled(0)},
	{"throttled with a time", []Need{NeedFaults}, throttled(7 * time.Second)},
	{"denied names the permission", []Need{NeedFaults}, denied},
	{"done late, within settling", []Need{NeedFaults, NeedClock}, late(1, 2)},
	{"done late, beyond settling", []Need{NeedFaults, NeedClock}, late(2, 1)},
	{"cancelled before it is sent, it did nothing", nil, cancelled},
	{"cancelled before it is done", []Need{NeedFaults}, cancelledWhile(HoldBefore)},
	{"cancelled after it was done", []Need{NeedFaults}, cancelledWhile(HoldAfter)},
}

// ends sends a change under a fault: once, since the fault is for one call only, and
// a repetition by the adapter would be seen as success.
func ends(f Fault, kind broker.Kind, happens bool) func(context.Context, *harness, *change) error {
	return func(ctx context.Context, h *harness, c *change) error {
		if err := c.start(ctx); err != nil {
			return err
		}
		broken := h.Break(h.t, c.call, f)
		err := c.send(ctx)
		broken.Release()
		if kind == "" && err != nil {
			return err
		}
		if kind != "" {
			if err := is(err, kind); err != nil {
				return err
			}
		}
		return c.stays(ctx, happens)
	}
}

// cutShort: an answer that says nothing but "done" is whole with its first line.
func cutShort(ctx context.Context, h *harness, c *change) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	broken := h.Break(h.t, c.call, Fault{Kind: Truncate})
	err := c.send(ctx)
	broken.Release()
	if err != nil {
		if err := is(err, broker.Unclear); err != nil {
			return err
		}
	} else if naming(c.call)(h.caps()) {
		return errHalf
	}
	return c.stays(ctx, true)
}

func throttled(after time.Duration) func(context.Context, *harness, *change) error {
	return func(ctx context.Context, h *harness, c *change) error {
		if err := c.start(ctx); err != nil {
			return err
		}
		broken := h.Break(h.t, c.call, Fault{Kind: Throttle, RetryAfter: after})
		err := c.send(ctx)
		broken.Release()
		if err := is(err, broker.Throttled); err != nil {
			return err
		}
		if e, _ := errors.AsType[*broker.Error](err); e.RetryAfter != after {
			return fmt.Errorf("again in %s, the target said %s", e.RetryAfter, after)
		}
		if err := c.stays(ctx, false); err != nil {
			return err
		}
		if err := c.send(ctx); err != nil {
			return fmt.Errorf("sent again: %w", err)
		}
		return c.stays(ctx, true)
	}
}

func denied(ctx context.Context, h *harness, c *change) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	broken := h.Break(h.t, c.call, Fault{Kind: Deny})
	err := c.send(ctx)
	broken.Release()
	if err := h.deniedRightly(err); err != nil {
		return err
	}
	return c.stays(ctx, false)
}

// deniedRightly demands that a refusal names one of the permissions that the
// adapter says it needs.
func (h *harness) deniedRightly(err error) error {
	if err := is(err, broker.Denied); err != nil {
		return err
	}
	e, _ := errors.AsType[*broker.Error](err)
	for _, p := range h.caps().Permissions {
		if p.Action == e.Permission {
			return nil
		}
	}
	if e.Permission != "" && e.Op == "identify" {
		return nil
	}
	return fmt.Errorf("permission %q is none of those it needs: %w", e.Permission, err)
}

// late: the change happens num/den of the settle time after its answer was lost.
func late(num, den int64) func(context.Context, *harness, *change) error {
	return func(ctx context.Context, h *harness, c *change) error {
		if err := c.start(ctx); err != nil {
			return err
		}
		settle := h.caps().Settle
		after := time.Duration(int64(settle) * num / den)
		broken := h.Break(h.t, c.call, Fault{Kind: Late, After: after})
		defer broken.Release()
		if err := is(c.send(ctx), broker.Unclear); err != nil {
			return err
		}
		if err := c.stays(ctx, false); err != nil {
			return fmt.Errorf("at once: %w", err)
		}
		if after > settle {
			h.Advance(settle)
			if err := c.stays(ctx, false); err != nil {
				return fmt.Errorf("when settled: %w", err)
			}
		}
		h.Advance(after + time.Second)
		return c.stays(ctx, true)
	}
}

func cancelled(ctx context.Context, _ *harness, c *change) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	err := c.send(gone)
	if err := is(err, broker.Unavailable); err != nil {
		return err
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the error does not say that it was cancelled: %w", err)
	}
	return c.stays(ctx, false)
}

// cancelledWhile cancels a call that the target is holding.
func cancelledWhile(kind FaultKind) func(context.Context, *harness, *change) error {
	return func(ctx context.Context, h *harness, c *change) error {
		if err := c.start(ctx); err != nil {
			return err
		}
		broken := h.Break(h.t, c.call, Fault{Kind: kind})
		defer broken.Release()
		going, cancel := context.WithCancel(ctx)
		defer cancel()
		answer := make(chan error, 1)
		go func() { answer <- c.send(going) }()
		if err := broken.Reached(ctx); err != nil {
			return fmt.Errorf("wait until it is held: %w", err)
		}
		cancel()
		if h.lacks[NeedSending] != "" {
			broken.Release() // nothing is between that could notice
		}
		err := waitFor(ctx, answer)
		if err := is(err, broker.Unclear, broker.Unavailable); err != nil {
			return err
		}
		if kind == HoldAfter {
			if err := is(err, broker.Unclear); err != nil {
				return err
			}
			return c.stays(ctx, true)
		}
		if !errors.Is(err, broker.Unavailable) {
			return nil
		}
		return c.stays(ctx, false) // unavailable means that nothing was changed
	}
}

// waitFor is the answer of a cancelled call, which does not wait for what holds it.
func waitFor(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
