package broker_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// unfit are requests that one of three clouds never takes.
var unfit = map[string]struct {
	change func(*broker.ImportRequest)
	policy broker.Policy
	kind   broker.Kind
	says   string
}{
	"a tag that AWS has not": {change: tagged("a#b", "c"), kind: broker.Misuse, says: `the name "a#b"`},
	"tags that are too many": {change: func(r *broker.ImportRequest) {
		for i := range 11 {
			tagged("t"+strings.Repeat("x", i), "")(r)
		}
	}, kind: broker.Misuse, says: "there are 11, and there is room for 10"},
	"a tag of the broker's":       {change: tagged("keyferry-x", "1"), kind: broker.Misuse, says: "which is reserved"},
	"a name of something else":    {change: func(r *broker.ImportRequest) { r.Name = "wrapping-key" }, kind: broker.Misuse, says: "wrapping-key is the name of something else"},
	"no such algorithm":           {policy: broker.Policy{Algorithms: map[string]string{"memory": "ROT13"}}, kind: broker.Unsupported, says: `"ROT13" is not for ec-p256 for sign`},
	"another spec's algorithm":    {policy: broker.Policy{Algorithms: map[string]string{"memory": "ec-p384"}}, kind: broker.Unsupported, says: "but ec-p256"},
	"an algorithm where none are": {policy: broker.Policy{Algorithms: map[string]string{"other": "ec-p256"}}, kind: broker.Unsupported, says: "no algorithm like"},
	"a window that is too short":  {policy: broker.Policy{Window: 2 * day}, kind: broker.Misuse, says: "at target cloud: misuse: deletion_window 2d is not from 7d to 30d"},
	"a window that one has not":   {policy: broker.Policy{Window: 121 * day}, change: targeting("numbered", "newest"), kind: broker.Misuse, says: "at target numbered: misuse: deletion_window 121d is not from 1d to 120d"},
	"an algorithm never used":     {policy: broker.Policy{Algorithms: map[string]string{"other": "RAW"}}, kind: broker.Unsupported, says: "RAW is not used: it signs anything"},
}

func targeting(targets ...string) func(*broker.ImportRequest) {
	return func(r *broker.ImportRequest) { r.Targets = targets }
}

func tagged(name, value string) func(*broker.ImportRequest) {
	return func(r *broker.ImportRequest) {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		r.Tags[name] = value
	}
}

// offering is a target like it, but for what its capabilities say.
type offering struct {
	*providers.Provider
	change func(*broker.Capabilities)
}

func (o offering) Capabilities() broker.Capabilities {
	caps := o.Provider.Capabilities()
	o.change(&caps)
	return caps
}

// What one of several targets never takes is refused before anything was made anywhere,
// and the dry run says the same.
func TestWhatDoesNotFitIsRefusedFirst(t *testing.T) {
	t.Parallel()
	for name, c := range unfit {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.offers("newest", func(caps *broker.Capabilities) {
				caps.Provider, caps.Specs, caps.NotUsed = "other", withoutAlgorithms(caps.Specs), map[string]string{"RAW": "it signs anything"}
			})
			w.policy = c.policy
			w.policy.Name = "p"
			req := broker.ImportRequest{Name: "k", Policy: "p", Spec: broker.ECP256, Targets: []string{"cloud", "numbered", "newest"}, Why: broker.Why{Reason: "test"}}
			if c.change != nil {
				c.change(&req)
			}
			w.refusedFirst(t, req, c.kind, c.says)
		})
	}
}

// offers changes what a target says of itself.
func (w *world) offers(name string, change func(*broker.Capabilities)) {
	for i := range w.others {
		if w.others[i].Name == name {
			w.others[i].Provider = offering{w.others[i].Provider.(*providers.Provider), change}
		}
	}
}

func withoutAlgorithms(specs map[broker.KeySpec]broker.SpecCapability) map[broker.KeySpec]broker.SpecCapability {
	out := maps.Clone(specs)
	for s, c := range out {
		c.Algorithms = nil
		out[s] = c
	}
	return out
}

// refusedFirst holds that import and dry run refuse alike, and that nothing came of it:
// no entry, and no call that makes or changes anything.
func (w *world) refusedFirst(t *testing.T, req broker.ImportRequest, kind broker.Kind, says string) {
	t.Helper()
	before, called := len(w.events(t)), []string(nil)
	w.inject = func(call string, _ bool) error {
		looks := []string{"token Seal", "token Info", "token Anchor"} // who is there, and whether the records hold
		if !strings.HasPrefix(call, "store ") && !strings.HasSuffix(call, " identify") && !slices.Contains(looks, call) {
			called = append(called, call)
		}
		return nil
	}
	_, imported := w.run(nil).Import(t.Context(), req)
	_, planned := w.run(nil).PlanImport(t.Context(), req)
	for what, err := range map[string]error{"import": imported, "dry run": planned} {
		told, ok := errors.AsType[*broker.Error](err)
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) || !ok || told.Changed != "" {
			t.Errorf("%s: %v (%s); want %s that says %q", what, err, broker.KindOf(err), kind, says)
		}
	}
	if after := len(w.events(t)); after != before || len(called) != 0 {
		t.Errorf("%d entries were written, called was %q", after-before, called)
	}
}
