package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// read sends one of the reads.
func (h *harness) read(ctx context.Context, call string, v broker.VersionRef, m material, in broker.PrepareIn) error {
	switch call {
	case "wrapping-key":
		_, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: v.Key, Mechanism: h.Provider.Capabilities().Specs[in.Spec].Mechanisms[0]})
		return err
	case "prove":
		return h.asked(ctx, v, m, in.Purpose)
	case "identify":
		return h.identify(ctx)
	default:
		_, err := h.look(ctx, broker.Query{Key: &v.Key})
		return err
	}
}

// identify says a foreign account in the words that the broker, which compares it,
// would use.
func (h *harness) identify(ctx context.Context) error {
	who, ok := h.Provider.(broker.Identifier)
	if !ok {
		return nil
	}
	id, err := who.Identify(ctx)
	if err == nil && id.Account != h.Account {
		err = &broker.Error{Kind: broker.Tampered, Op: "identify", Object: id.Account}
	}
	return err
}

// naming are the changing calls whose answer names the key.
var naming = []string{"prepare", "import", "delete-material", "schedule", "cancel"}

func faultChecks() []check {
	var checks []check
	for _, call := range naming {
		checks = append(checks, check{
			name: call + ": an answer about another account is tampering", needs: []Need{NeedForeign, NeedFaults},
			run: func(ctx context.Context, h *harness) error {
				return ends(Fault{Kind: Foreign}, broker.Tampered, true)(ctx, h, h.change(call))
			},
		})
	}
	for _, call := range changes {
		for _, c := range changeFaults {
			checks = append(checks, check{
				name: call + ": " + c.name, needs: c.needs,
				run: func(ctx context.Context, h *harness) error { return c.run(ctx, h, h.change(call)) },
			})
		}
	}
	for _, call := range reads {
		for _, c := range readFaults {
			needs := c.needs
			if call == "identify" {
				needs = append([]Need{NeedIdentity}, needs...)
			}
			checks = append(checks, check{
				name: call + ": " + c.name, needs: needs,
				run: func(ctx context.Context, h *harness) error { return h.brokenRead(ctx, call, c) },
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
		if err := c.ready(ctx); err != nil {
			return fmt.Errorf("get ready: %w", err)
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
	if err := c.ready(ctx); err != nil {
		return fmt.Errorf("get ready: %w", err)
	}
	broken := h.Break(h.t, c.call, Fault{Kind: Truncate})
	err := c.send(ctx)
	broken.Release()
	if err != nil {
		if err := is(err, broker.Unclear); err != nil {
			return err
		}
	} else if slices.Contains(naming, c.call) {
		return errors.New("half an answer was taken for a whole one")
	}
	return c.stays(ctx, true)
}

func throttled(after time.Duration) func(context.Context, *harness, *change) error {
	return func(ctx context.Context, h *harness, c *change) error {
		if err := c.ready(ctx); err != nil {
			return fmt.Errorf("get ready: %w", err)
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
	if err := c.ready(ctx); err != nil {
		return fmt.Errorf("get ready: %w", err)
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
	for _, p := range h.Provider.Capabilities().Permissions {
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
		if err := c.ready(ctx); err != nil {
			return fmt.Errorf("get ready: %w", err)
		}
		settle := h.Provider.Capabilities().Settle
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
	if err := c.ready(ctx); err != nil {
		return fmt.Errorf("get ready: %w", err)
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
		if err := c.ready(ctx); err != nil {
			return fmt.Errorf("get ready: %w", err)
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
		happened, seenErr := c.happened(ctx)
		if seenErr == nil && happened && errors.Is(err, broker.Unavailable) {
			seenErr = errors.New("unavailable means that nothing was changed, and it was")
		}
		return seenErr
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

// readFault is what can go wrong with a read: it must end as one of the kinds, or
// where able is set may also succeed by another try.
type readFault struct {
	name  string
	needs []Need
	fault Fault
	kinds []broker.Kind
	able  bool
}

var readFaults = []readFault{
	{"an answer lost once is asked for again", []Need{NeedFaults}, Fault{Kind: LostAfter}, []broker.Kind{broker.Unavailable}, true},
	{"an answer lost for good is unavailable", []Need{NeedFaults}, Fault{Kind: LostBefore, Always: true}, []broker.Kind{broker.Unavailable}, false},
	{"a server fault for good is unavailable", []Need{NeedFaults}, Fault{Kind: FailBefore, Always: true}, []broker.Kind{broker.Unavailable}, false},
	{"an answer cut short for good is unavailable", []Need{NeedSending}, Fault{Kind: Truncate, Always: true}, []broker.Kind{broker.Unavailable}, false},
	{"a slow answer is an answer", []Need{NeedSending}, Fault{Kind: Slow}, nil, true},
	{"throttled with a time", []Need{NeedFaults}, Fault{Kind: Throttle, RetryAfter: 3 * time.Second, Always: true}, []broker.Kind{broker.Throttled}, false},
	{"throttled without a time", []Need{NeedFaults}, Fault{Kind: Throttle, Always: true}, []broker.Kind{broker.Throttled}, false},
	{"denied names the permission", []Need{NeedFaults}, Fault{Kind: Deny, Always: true}, []broker.Kind{broker.Denied}, false},
	{"an answer about another account is tampering", []Need{NeedForeign, NeedFaults}, Fault{Kind: Foreign, Always: true}, []broker.Kind{broker.Tampered}, false},
}

func (h *harness) brokenRead(ctx context.Context, call string, f readFault) error {
	v, in, m, err := h.ready(ctx)
	if err != nil {
		return err
	}
	broken := h.Break(h.t, call, f.fault)
	err = h.read(ctx, call, v, m, in)
	broken.Release()
	if err == nil && f.able {
		return nil
	}
	if len(f.kinds) == 0 {
		return err
	}
	if err := is(err, f.kinds...); err != nil {
		return err
	}
	if f.fault.Kind == Deny {
		return h.deniedRightly(err)
	}
	if e, _ := errors.AsType[*broker.Error](err); e.RetryAfter != f.fault.RetryAfter {
		return fmt.Errorf("again in %s, the target said %s", e.RetryAfter, f.fault.RetryAfter)
	}
	return nil
}
