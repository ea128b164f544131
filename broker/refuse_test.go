package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// Refused before anything happened: no entry, no object, no key.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	base := lines()[0]
	with := func(change func(*broker.ImportRequest)) broker.ImportRequest {
		req := base
		change(&req)
		return req
	}
	for name, c := range map[string]struct {
		req  broker.ImportRequest
		kind broker.Kind
		says string
	}{
		"an empty name":         {with(func(r *broker.ImportRequest) { r.Name = "" }), broker.Misuse, "empty"},
		"a name of 300":         {with(func(r *broker.ImportRequest) { r.Name = strings.Repeat("a", 300) }), broker.Misuse, "300 characters"},
		"a name in Unicode":     {with(func(r *broker.ImportRequest) { r.Name = "zahlung-ä" }), broker.Misuse, "not allowed"},
		"a name that climbs":    {with(func(r *broker.ImportRequest) { r.Name = "../etc" }), broker.Misuse, "not allowed"},
		"an unknown spec":       {with(func(r *broker.ImportRequest) { r.Spec = "aes-512" }), broker.Misuse, "aes-512"},
		"no spec":               {with(func(r *broker.ImportRequest) { r.Spec = "" }), broker.Misuse, "spec"},
		"a spec not taken":      {with(func(r *broker.ImportRequest) { r.Spec = broker.AES128 }), broker.Unsupported, "AWS"},
		"a purpose not its own": {with(func(r *broker.ImportRequest) { r.Purpose = broker.Sign }), broker.Misuse, "purpose"},
		"an unknown target":     {with(func(r *broker.ImportRequest) { r.Targets = []string{"mars"} }), broker.NotFound, "mars"},
		"no target":             {with(func(r *broker.ImportRequest) { r.Targets = nil }), broker.Misuse, "target"},
		"an unknown policy":     {with(func(r *broker.ImportRequest) { r.Policy = "gold" }), broker.Misuse, "gold"},
		"an unknown retain":     {with(func(r *broker.ImportRequest) { r.Retain = "maybe" }), broker.Misuse, "maybe"},
		"an end in the past":    {with(func(r *broker.ImportRequest) { r.ValidTo = w.now.Add(-time.Second) }), broker.Misuse, "past"},
		"an end too far":        {with(func(r *broker.ImportRequest) { r.ValidTo = w.now.Add(366 * 24 * time.Hour) }), broker.Misuse, "365 days"},
		"an end before activation": {with(func(r *broker.ImportRequest) {
			r.ValidTo, r.ActivateAt = w.now.Add(time.Hour), w.now.Add(2*time.Hour)
		}), broker.Misuse, "activation"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.events(t))
			_, err := w.run(nil).Import(t.Context(), c.req)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%s); want %s that says %q", err, broker.KindOf(err), c.kind, c.says)
			}
			if _, planned := w.run(nil).PlanImport(t.Context(), c.req); !errors.Is(planned, c.kind) {
				t.Errorf("the dry run says %v", planned)
			}
			if after := len(w.events(t)); after != before {
				t.Errorf("%d entries were written", after-before)
			}
			if made := w.target.Report().Names[c.req.Name]; len(made) != 0 {
				t.Errorf("made %+v", made)
			}
		})
	}
}

func TestProductionNamesRetain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	o := w.options()
	o.Token.Environment = broker.Production
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Import(t.Context(), lines()[0]); !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "retain") {
		t.Errorf("%v", err)
	}
}

func TestImportAgainWithSomethingElse(t *testing.T) {
	t.Parallel()
	w := finished(t)
	for name, change := range map[string]func(*broker.ImportRequest){
		"spec":     func(r *broker.ImportRequest) { r.Spec = broker.HMAC256 },
		"policy":   func(r *broker.ImportRequest) { r.Policy = "gold" },
		"retain":   func(r *broker.ImportRequest) { r.Retain = broker.RetainNone },
		"valid-to": func(r *broker.ImportRequest) { r.ValidTo = w.now.Add(time.Hour) },
		"target":   func(r *broker.ImportRequest) { r.Targets = []string{"cloud2"} },
	} {
		t.Run(name, func(t *testing.T) {
			req := lines()[0]
			change(&req)
			o := w.options()
			o.Policies = []broker.Policy{{Name: "gold"}}
			second := o.Targets[0]
			second.Name = "cloud2"
			o.Targets = append(o.Targets, second)
			b, err := broker.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if name == "target" {
				if _, err := b.EnrolTarget(t.Context(), "cloud2", broker.Why{Reason: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := b.Import(t.Context(), req); !errors.Is(err, broker.Conflict) {
				t.Errorf("%v; want conflict", err)
			}
			w.exactlyOne(t, "aes")
		})
	}
}

func TestANameThatLeadsElsewhereIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	theirs, err := w.target.Plant(providers.Plant{In: broker.PrepareIn{Name: "old", Spec: broker.AES256, Purpose: broker.Encrypt}, Consumer: "alias/aes"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), theirs.ID) {
		t.Errorf("%v; want a conflict that names %s", err, theirs.ID)
	}
	if made := w.target.Report().Names["aes"]; len(made) != 0 {
		t.Errorf("made %+v", made)
	}
}

// A key that somebody else marked as ours while an answer was lost: two
// candidates, or one that differs, stop the line until a person decided.
func TestASpoofedMarkIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*providers.Plant){
		"just alike":      func(*providers.Plant) {},
		"other policy":    func(p *providers.Plant) { p.Policy = false },
		"provider's own":  func(p *providers.Plant) { p.Origin = broker.OriginProvider },
		"with material":   func(p *providers.Plant) { p.Material = make([]byte, 32) },
		"of another spec": func(p *providers.Plant) { p.In.Spec, p.In.Purpose = broker.HMAC256, broker.MAC },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			var planted broker.KeyRef
			w.inject = func(call string, before bool) error {
				if call != "target prepare" || before {
					return nil
				}
				w.inject = nil
				plant := w.spoof(t)
				spoil(&plant)
				var err error
				if planted, err = w.target.Plant(plant); err != nil {
					t.Error(err)
				}
				return broker.Unclear
			}
			_, err := w.run(nil).Import(t.Context(), lines()[0])
			if !errors.Is(err, broker.Undecided) || !strings.Contains(err.Error(), planted.ID) {
				t.Fatalf("%v; want undecided, naming %s", err, planted.ID)
			}
			if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Undecided) {
				t.Errorf("imported again: %v", err)
			}
			w.decide(t, planted)
			if _, err := w.run(nil).Resume(t.Context(), w.importOf("aes")); err != nil {
				t.Fatalf("resumed after the decision: %v", err)
			}
			w.auditHolds(t)
		})
	}
}

// spoof is a key as the broker would make it for the import that is running.
func (w *world) spoof(t *testing.T) providers.Plant {
	t.Helper()
	op, err := w.store.Operation(t.Context(), w.importOf("aes"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(op.Effects, func(r broker.EffectRecord) bool { return r.Effect.Step == broker.StepPrepare })
	plant := providers.Plant{Effect: op.Effects[i].Effect.ID(), Policy: true}
	if err := json.Unmarshal(op.Effects[i].Intent, &plant.In); err != nil {
		t.Fatal(err)
	}
	return plant
}

// decide is what a person does: the wrong one is scheduled for deletion.
func (w *world) decide(t *testing.T, wrong broker.KeyRef) {
	t.Helper()
	_, err := w.target.Do(t.Context(), broker.Effect{Operation: "a person"}, broker.VersionRef{Key: wrong}, broker.Action{Kind: broker.Schedule})
	if err != nil {
		t.Fatal(err)
	}
}

// Someone who moved the consumer name meanwhile is not overruled.
func TestAConsumerMovedMeanwhileIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call != "target activate" || !before {
			return nil
		}
		w.inject = nil
		if _, err := w.target.Plant(providers.Plant{In: broker.PrepareIn{Name: "thief", Spec: broker.AES256, Purpose: broker.Encrypt}, Consumer: "alias/aes"}); err != nil {
			t.Error(err)
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Undecided) {
		t.Errorf("%v; want undecided", err)
	}
}

func TestResumeOfAFinishedOperationSaysSo(t *testing.T) {
	t.Parallel()
	w := finished(t)
	result, err := w.run(nil).Resume(t.Context(), w.importOf("aes"))
	if err != nil || !result.AlreadyDone {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := w.run(nil).Resume(t.Context(), "20260101T000000-000000000000"); !errors.Is(err, broker.NotFound) {
		t.Errorf("an unknown operation: %v", err)
	}
}

// fullDisk is a store that records nothing more once it is full.
type fullDisk struct {
	broker.Store
	full *bool
}

func (s fullDisk) Apply(ctx context.Context, c broker.Change) (broker.Head, error) {
	if *s.full {
		return broker.Head{}, &broker.Error{Kind: broker.Rejected, Op: "write", Cause: errors.New("disk full"), Hint: "make room"}
	}
	return s.Store.Apply(ctx, c)
}

// What cannot be put on record is still told, with how to go on; and a permission
// that is missing is asked for.
func TestWhatIsLeftBehindIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault error
		full  bool
		says  []string
	}{
		"full disk":  {nil, true, []string{"make room", "keyferry operation resume"}},
		"permission": {&broker.Error{Kind: broker.Denied, Permission: "kms:X"}, false, []string{"grant kms:X; then keyferry operation resume"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			full := false
			w.inject = func(call string, before bool) error {
				if call != "target import" || before {
					return nil
				}
				full = c.full
				return c.fault
			}
			o := w.options()
			o.Store = fullDisk{w.store, &full}
			b, err := broker.New(o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Import(t.Context(), lines()[0])
			told, ok := errors.AsType[*broker.Error](err)
			if !ok || !strings.Contains(told.Changed, "material kf-") || !strings.Contains(told.Changed, "is at target cloud") {
				t.Fatalf("%v: %+v", err, told)
			}
			for _, words := range c.says {
				if !strings.Contains(told.Hint, words) {
					t.Errorf("%q is not in %q", words, told.Hint)
				}
			}
			full, w.inject = false, nil
			w.imported(t, lines()[0])
			w.exactlyOne(t, "aes")
		})
	}
}
