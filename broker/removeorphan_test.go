package broker_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// strayObject is the id of an object in the token that no record has.
const strayObject = "kf-lost-1"

// withKEK is a target at which somebody made a wrapping key.
type withKEK struct {
	*providers.Provider
	disabled *bool
}

var kek = broker.VersionRef{Key: broker.KeyRef{ID: "memory:kek"}, ID: "1"}

func (k withKEK) Look(ctx context.Context, q broker.Query) iter.Seq2[broker.Observation, error] {
	mine := q.All || q.Versions != nil && *q.Versions == kek.Key || q.Version != nil && *q.Version == kek
	if !mine || k.disabled == nil {
		return k.Provider.Look(ctx, q)
	}
	o := broker.Observation{Version: kek, WrappingKey: "memory:kek/1", State: broker.RemoteEnabled}
	if *k.disabled {
		o.State = broker.RemoteDisabled
	}
	return func(yield func(broker.Observation, error) bool) {
		if !yield(o, nil) || !q.All {
			return
		}
		k.Provider.Look(ctx, q)(yield)
	}
}

func (k withKEK) Do(ctx context.Context, e broker.Effect, v broker.VersionRef, a broker.Action) (broker.Receipt, error) {
	if v != kek {
		return k.Provider.Do(ctx, e, v, a)
	}
	*k.disabled = a.Kind == broker.Disable
	return broker.Receipt{}, nil
}

// strewn is a world with an orphan of each kind, and keys that are on record.
func strewn(t *testing.T) *world {
	t.Helper()
	w := clouds(t)
	for _, name := range []string{"numbered", "newest", "cloud"} {
		req := only(name)
		req.Name = "on-record-" + name
		w.imported(t, req)
	}
	lost := func(target, name string) providers.Plant {
		return providers.Plant{
			Effect: "kf-" + target, In: broker.PrepareIn{Name: name, KeyID: "of-" + target, RemoteName: name, Number: 1, Spec: broker.AES256, Purpose: broker.Encrypt},
			Material: make([]byte, 32),
		}
	}
	for target, name := range map[string]string{"cloud": "lost", "newest": "lost", "numbered": "on-record-numbered"} {
		_, err := w.provider(target).Plant(lost(target, name))
		must(t, err)
	}
	empty := lost("numbered", "empty")
	empty.Material = nil
	_, err := w.provider("numbered").Plant(empty)
	must(t, err)
	must(t, w.token.Plant(tokens.Planted{ID: strayObject, Spec: broker.AES256}))
	for i, o := range w.others {
		if o.Name == "newest" {
			w.others[i].Provider = withKEK{o.Provider.(*providers.Provider), new(bool)}
		}
	}
	return w
}

// allOrphans are those at the targets and in the token.
func (w *world) allOrphans(t *testing.T) []broker.Orphan {
	t.Helper()
	objects, err := w.run(nil).StrayObjects(t.Context())
	must(t, err)
	return append(w.orphans(t), objects...)
}

// asked is the request that an orphan's own command makes.
func asked(t *testing.T, o broker.Orphan) broker.OrphanRequest {
	t.Helper()
	words := strings.Fields(o.Do)
	if len(words) < 5 || strings.Join(words[:3], " ") != "keyferry orphan remove" {
		t.Fatalf("%+v names %q", o, o.Do)
	}
	req := broker.OrphanRequest{Ref: words[3], Unused: true, Why: broker.Why{Reason: "a person looked"}}
	for i, word := range words {
		switch word {
		case "--target":
			req.Target = words[i+1]
		case "--version":
			req.Version = words[i+1]
		}
	}
	return req
}

// Each is removed by the command that it is listed with, and nothing else is; asked for
// once more, it was done.
func TestEachOrphanIsRemovedByItsOwnCommand(t *testing.T) {
	t.Parallel()
	w := strewn(t)
	all := w.allOrphans(t)
	removable := 0
	for _, o := range all {
		if o.Name == "empty" {
			if !strings.HasPrefix(o.Do, "keys stay there for ever") {
				t.Errorf("of a key without versions it says %q", o.Do)
			}
			continue
		}
		removable++
		before := w.live(t)
		for i := range 2 {
			out, err := w.run(nil).RemoveOrphan(t.Context(), asked(t, o))
			if err != nil || out.Already != (i == 1) {
				t.Fatalf("%+v: %+v, %v", o, out, err)
			}
		}
		left := w.live(t)
		if len(left) != len(before)-1 {
			t.Errorf("of %q is left %q: more or less than %s was removed", before, left, o.Do)
		}
	}
	if left := w.allOrphans(t); removable != 5 || len(left) != 1 || left[0].Name != "empty" {
		t.Errorf("%d removed, left %+v", removable, left)
	}
	for _, target := range []string{"numbered", "newest", "cloud"} {
		if c := w.verified(t, "on-record-"+target); !c.OK {
			t.Errorf("%+v", c)
		}
	}
	w.auditHolds(t)
}

// live is everything there that could be used.
func (w *world) live(t *testing.T) (live []string) {
	t.Helper()
	for _, o := range w.options().Targets {
		for _, held := range w.provider(o.Name).Report().Names {
			for _, h := range held {
				if h.State == broker.RemoteEnabled {
					live = append(live, o.Name+" "+h.Version.Key.ID+" "+h.Version.ID)
				}
			}
		}
	}
	for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{}) {
		must(t, err)
		live = append(live, "token "+string(o.ID))
	}
	for o, err := range w.others[slices.IndexFunc(w.others, func(o broker.Target) bool { return o.Name == "newest" })].Provider.Look(t.Context(), broker.Query{Version: &kek}) {
		if must(t, err); o.State == broker.RemoteEnabled {
			live = append(live, "kek")
		}
	}
	return live
}

func TestARemovalKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"key", "version", "object"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			req := map[string]broker.OrphanRequest{
				"key":     {Target: "cloud", Ref: "memory:memory:key/2"},
				"version": {Target: "numbered", Ref: "memory:memory:key/on-record-numbered", Version: "2"},
				"object":  {Ref: strayObject},
			}[kind]
			req.Unused, req.Why = true, broker.Why{Reason: "a person looked"}
			scenario{
				world: strewn,
				act: func(ctx context.Context, _ *world, b *broker.Broker) error {
					_, err := b.RemoveOrphan(ctx, req)
					return err
				},
				check: func(t *testing.T, w *world) {
					t.Helper()
					for _, o := range w.allOrphans(t) {
						if o.Do != "" && o.Target == req.Target && (o.Key.ID == req.Ref && o.Version == req.Version || string(o.Material) == req.Ref) {
							t.Errorf("still there: %+v", o)
						}
					}
					told := slices.DeleteFunc(w.events(t), func(e string) bool { return !strings.HasPrefix(e, "orphan.") })
					if n := len(told); n < 2 || told[0] != "orphan.removal-intended" || told[n-1] != "orphan.removed" || slices.Index(told, "orphan.removed") != n-1 {
						t.Errorf("the audit tells %q", told)
					}
				},
				calls: 5, after: true,
			}.killEverywhere(t)
		})
	}
}

// What is on record, not ours, not there, or more than was asked for, stays.
func TestWhatIsNoOrphanIsNotRemoved(t *testing.T) {
	t.Parallel()
	w := strewn(t)
	_, err := w.target.Plant(providers.Plant{In: broker.PrepareIn{Name: "theirs", Spec: broker.AES256, Purpose: broker.Encrypt}, Material: make([]byte, 32)})
	must(t, err)
	for _, mark := range []string{"", "kf-newest"} {
		theirs := providers.Plant{In: broker.PrepareIn{Name: "theirs", RemoteName: "lost", Spec: broker.AES256, Purpose: broker.Encrypt}, Effect: mark, Material: make([]byte, 32)}
		_, err = w.provider("newest").Plant(theirs)
		must(t, err)
	}
	must(t, w.token.Plant(tokens.Planted{ID: "kf-of-cloud-1", Spec: broker.AES256}))
	view, err := w.store.Key(t.Context(), "on-record-cloud")
	must(t, err)
	before := w.live(t)
	for name, c := range map[string]struct {
		req  broker.OrphanRequest
		kind broker.Kind
		says string
	}{
		"on record":                   {broker.OrphanRequest{Target: "cloud", Ref: "memory:memory:key/1"}, broker.Conflict, "on record"},
		"a version on record":         {broker.OrphanRequest{Target: "numbered", Ref: "memory:memory:key/on-record-numbered", Version: "1"}, broker.Conflict, "on record"},
		"the key of a version":        {broker.OrphanRequest{Target: "numbered", Ref: "memory:memory:key/on-record-numbered"}, broker.Conflict, "on record"},
		"theirs":                      {broker.OrphanRequest{Target: "cloud", Ref: "memory:memory:key/3"}, broker.Denied, "no mark of ours"},
		"with their version":          {broker.OrphanRequest{Target: "newest", Ref: "memory:memory:key/lost"}, broker.Conflict, "1 of its 3 versions"},
		"not there":                   {broker.OrphanRequest{Target: "cloud", Ref: "memory:memory:key/9"}, broker.NotFound, "nothing of that name"},
		"no known target":             {broker.OrphanRequest{Target: "moon", Ref: "x"}, broker.NotFound, "moon"},
		"a key that stays":            {broker.OrphanRequest{Target: "numbered", Ref: "memory:memory:key/empty"}, broker.Unsupported, "for ever"},
		"an object on record":         {broker.OrphanRequest{Ref: string(view.Versions[0].Material.ID)}, broker.Conflict, "a version on record has it"},
		"an object of theirs":         {broker.OrphanRequest{Ref: "their-key"}, broker.Denied, "not one of ours"},
		"an object that is not there": {broker.OrphanRequest{Ref: "kf-nothing-1"}, broker.NotFound, "no such object"},
		"an object that a key needs":  {broker.OrphanRequest{Ref: "kf-of-cloud-1"}, broker.Conflict, "key memory:memory:key/2 at target cloud may hold it"},
	} {
		req := c.req
		_, planned := w.run(nil).PlanRemoveOrphan(t.Context(), req)
		_, unreasoned := w.run(nil).RemoveOrphan(t.Context(), req)
		req.Why = broker.Why{Reason: "a mistake"}
		_, removed := w.run(nil).RemoveOrphan(t.Context(), req)
		for what, err := range map[string]error{"planned": planned, "removed": removed} {
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if !errors.Is(unreasoned, broker.Misuse) {
			t.Errorf("%s, without a reason: %v", name, unreasoned)
		}
	}
	if after := w.live(t); !slices.Equal(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(after))) {
		t.Errorf("before %q, after %q", before, after)
	}
	if w.hasEvent(t, "orphan.removal-intended") {
		t.Error("something was intended")
	}
}

// A removal whose answer is lost is looked for; one that did not happen is said, and the
// same command does it.
func TestARemovalWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for call, req := range map[string]broker.OrphanRequest{
		"target schedule":   {Target: "cloud", Ref: "memory:memory:key/2"},
		"numbered schedule": {Target: "numbered", Ref: "memory:memory:key/on-record-numbered", Version: "2"},
	} {
		for _, happened := range []bool{true, false} {
			w := strewn(t)
			req.Unused, req.Why = true, broker.Why{Reason: "a person looked"}
			w.inject = func(c string, before bool) error {
				if c != call || before == happened {
					return nil
				}
				w.inject = nil
				return broker.Unclear
			}
			_, err := w.run(nil).RemoveOrphan(t.Context(), req)
			if err != nil && (happened || !errors.Is(err, broker.Unavailable)) {
				t.Errorf("%s, happened %v: %v", call, happened, err)
			}
			if _, err := w.run(nil).RemoveOrphan(t.Context(), req); err != nil {
				t.Errorf("%s, happened %v, again: %v", call, happened, err)
			}
			for _, o := range w.orphans(t) {
				if o.Target == req.Target && o.Key.ID == req.Ref && o.Version == req.Version {
					t.Errorf("%s, happened %v: it is still there", call, happened)
				}
			}
			w.auditHolds(t)
		}
	}
}
