package providertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// reads are the calls that change nothing.
var reads = []string{"wrapping-key", "prove", "look", "identify"}

func readFaultChecks() []check {
	var checks []check
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

// read sends one of the reads. A wrapping key that is kept was made before.
func (h *harness) read(ctx context.Context, call string, f filled) error {
	switch call {
	case "wrapping-key":
		by := h.caps().Specs[f.in.Spec].Mechanisms[0]
		_, err := h.Provider.WrappingKey(ctx, h.effect(broker.StepFetch), broker.WrappingKeyIn{Key: f.v.Key, Mechanism: by, Kept: h.kept[by]})
		return err
	case "prove":
		return h.asked(ctx, f)
	case "identify":
		return h.identify(ctx)
	default:
		_, err := h.look(ctx, broker.Query{Key: &f.v.Key})
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
	r, err := h.ready(ctx)
	if err != nil {
		return err
	}
	broken := h.Break(h.t, call, f.fault)
	err = h.read(ctx, call, r)
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
