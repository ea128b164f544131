package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// tampered is a store that somebody edited without the token.
type tampered struct {
	broker.Store
	enrolments func([]broker.Enrolment) []broker.Enrolment
	entries    func([]broker.Entry) []broker.Entry
	heads      func([]broker.Head) []broker.Head
}

func (s tampered) Enrolments(ctx context.Context) ([]broker.Enrolment, error) {
	all, err := s.Store.Enrolments(ctx)
	if s.enrolments == nil {
		return all, err
	}
	return s.enrolments(all), err
}

func (s tampered) Entries(ctx context.Context, after int64) iter.Seq2[broker.Entry, error] {
	return edited(s.Store.Entries(ctx, 0), s.entries, func(e broker.Entry) bool { return e.Seq > after })
}

func (s tampered) Heads(ctx context.Context, after int64) iter.Seq2[broker.Head, error] {
	return edited(s.Store.Heads(ctx, 0), s.heads, func(h broker.Head) bool { return h.Seq > after })
}

// Told is what the store would tell if its tables were edited so: the index is as it was.
func (s tampered) Told(ctx context.Context, subject string) (broker.Told, error) {
	told, err := s.Store.Told(ctx, subject)
	if err != nil || s.entries == nil && s.heads == nil {
		return told, err
	}
	told.Ended, told.Entries = broker.Ended{}, nil
	at, last := map[int64]broker.Entry{}, told.Path.Find(subject).Seq
	for e, err := range s.Entries(ctx, 0) {
		if err != nil {
			return told, err
		}
		at[e.Seq], told.Entry = e, e
	}
	for h, err := range s.Heads(ctx, 0) {
		if err != nil {
			return told, err
		}
		told.Head = h
	}
	if slices.Contains(told.Entry.Subjects(), subject) {
		last = told.Entry.Seq
	}
	for e, ok := at[last]; ok && subject != ""; e, ok = at[e.Links[subject].Seq] {
		told.Entries = slices.Insert(told.Entries, 0, e)
		if e.Links[subject].Seq >= e.Seq {
			break
		}
	}
	return told, nil
}

// edited is what a reader gets of edited rows.
func edited[T any](rows iter.Seq2[T, error], edit func([]T) []T, asked func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		for row, err := range rows {
			if err != nil {
				yield(row, err)
				return
			}
			all = append(all, row)
		}
		if edit != nil {
			all = edit(all)
		}
		for _, row := range all {
			if asked(row) && !yield(row, nil) {
				return
			}
		}
	}
}

// refused imports under the changed options and requires a refusal before
// anything is sent to the target.
func (w *world) refused(t *testing.T, o broker.Options, want ...broker.Kind) {
	t.Helper()
	w.refusedImport(t, o, broker.ImportRequest{Name: "next", Spec: broker.AES256, Targets: []string{"cloud"}}, want...)
	if _, err := w.store.Key(t.Context(), "next"); !errors.Is(err, broker.NotFound) {
		t.Fatalf("it was begun: %v", err)
	}
}

// refusedAgain imports once more what was imported: all that the audit tells of it
// counts, and verifying the whole of the audit finds the fault too.
func (w *world) refusedAgain(t *testing.T, o broker.Options) {
	t.Helper()
	w.refusedImport(t, o, lines()[0], broker.Tampered)
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := b.VerifyAudit(t.Context(), nil); err != nil || len(report.Faults) == 0 {
		t.Errorf("audit verify: %+v, %v", report, err)
	}
}

func (w *world) refusedImport(t *testing.T, o broker.Options, req broker.ImportRequest, want ...broker.Kind) {
	t.Helper()
	w.k = nil
	var sent []string
	w.inject = func(call string, before bool) error {
		if before && strings.HasPrefix(call, "target ") && call != "target identify" {
			sent = append(sent, call)
		}
		return nil
	}
	defer func() { w.inject = nil }()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Import(t.Context(), req)
	if !slices.Contains(want, broker.KindOf(err)) {
		t.Errorf("%v (%s); want %s", err, broker.KindOf(err), want)
	}
	if len(sent) > 0 {
		t.Errorf("sent all the same: %s", sent)
	}
}

// finished is a set-up with a finished import in it.
func finished(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, quick())
	w.imported(t, lines()[0])
	return w
}

func TestEveryFieldOfTheConfigIsHeldAgainstItsEnrolment(t *testing.T) {
	t.Parallel()
	w := finished(t)
	for name, change := range map[string]func(*broker.Options){
		"a pin of the token":          func(o *broker.Options) { o.Token.Pins = map[string]string{"module": "other"} },
		"no pin of the token":         func(o *broker.Options) { o.Token.Pins = nil },
		"one more pin of the token":   func(o *broker.Options) { o.Token.Pins["label"] = "x" },
		"the token's name":            func(o *broker.Options) { o.Token.Name = "hsm2" },
		"the account":                 func(o *broker.Options) { o.Targets[0].Pins[broker.PinAccount] = "other" },
		"the place":                   func(o *broker.Options) { o.Targets[0].Pins["region"] = "there" },
		"no place":                    func(o *broker.Options) { delete(o.Targets[0].Pins, "region") },
		"one more pin of the target":  func(o *broker.Options) { o.Targets[0].Pins["endpoint"] = "https://evil.example" },
		"the target's environment":    func(o *broker.Options) { o.Targets[0].Environment = "other" },
		"the target made production":  func(o *broker.Options) { o.Targets[0].Environment = broker.Production },
		"the token's environment":     func(o *broker.Options) { o.Token.Environment = "other" },
		"both environments":           func(o *broker.Options) { o.Token.Environment, o.Targets[0].Environment = "other", "other" },
		"both environments made real": func(o *broker.Options) { o.Token.Environment, o.Targets[0].Environment = "production", "production" },
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options()
			change(&o)
			w.refused(t, o, broker.Tampered, broker.Denied, broker.NotFound, broker.Misuse)
		})
	}
}

func TestEveryFieldOfAnEnrolmentIsSealed(t *testing.T) {
	t.Parallel()
	w := finished(t)
	for _, kind := range []broker.EnrolmentKind{broker.EnrolTarget, broker.EnrolToken} {
		for _, field := range reflect.VisibleFields(reflect.TypeFor[broker.Enrolment]()) {
			t.Run(fmt.Sprintf("%s/%s", kind, field.Name), func(t *testing.T) {
				o := w.options()
				o.Store = tampered{Store: w.store, enrolments: func(all []broker.Enrolment) []broker.Enrolment {
					i := slices.IndexFunc(all, func(e broker.Enrolment) bool { return e.Kind == kind })
					flip(t, reflect.ValueOf(&all[i]).Elem().FieldByIndex(field.Index))
					return all
				}}
				w.refused(t, o, broker.Tampered, broker.NotFound)
			})
		}
	}
}

func TestAnEnrolmentOfAnotherNameIsNotTaken(t *testing.T) {
	t.Parallel()
	w := finished(t)
	o := w.options()
	o.Targets[0].Name = "cloud2"
	o.Store = tampered{Store: w.store, enrolments: func(all []broker.Enrolment) []broker.Enrolment {
		for i := range all {
			if all[i].Kind == broker.EnrolTarget {
				all[i].Name = "cloud2"
			}
		}
		return all
	}}
	w.k = nil
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Import(t.Context(), broker.ImportRequest{Name: "next", Spec: broker.AES256, Targets: []string{"cloud2"}})
	if !errors.Is(err, broker.Tampered) {
		t.Errorf("%v; want tampered", err)
	}
}

func TestEveryFieldOfTheAuditIsChained(t *testing.T) {
	t.Parallel()
	w := finished(t)
	events := w.events(t)
	for at := range events {
		for _, field := range reflect.VisibleFields(reflect.TypeFor[broker.Entry]()) {
			o := w.options()
			o.Store = tampered{Store: w.store, entries: func(all []broker.Entry) []broker.Entry {
				flip(t, reflect.ValueOf(&all[at]).Elem().FieldByIndex(field.Index))
				return all
			}}
			t.Run(fmt.Sprintf("%s/%s", events[at], field.Name), func(t *testing.T) { w.refusedAgain(t, o) })
		}
	}
}

func TestEntriesRemovedReorderedOrCut(t *testing.T) {
	t.Parallel()
	w := finished(t)
	n := len(w.events(t))
	for at := range n {
		for name, edit := range map[string]func([]broker.Entry) []broker.Entry{
			"removed":   func(all []broker.Entry) []broker.Entry { return slices.Delete(all, at, at+1) },
			"cut":       func(all []broker.Entry) []broker.Entry { return all[:at] },
			"closed up": func(all []broker.Entry) []broker.Entry { return renumbered(slices.Delete(all, at, at+1)) },
			"repeated":  func(all []broker.Entry) []broker.Entry { return renumbered(slices.Insert(all, at, all[at])) },
			"reordered": func(all []broker.Entry) []broker.Entry {
				all[at], all[(at+1)%n] = all[(at+1)%n], all[at]
				return renumbered(all)
			},
		} {
			o := w.options()
			o.Store = tampered{Store: w.store, entries: edit}
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) { w.refusedAgain(t, o) })
		}
	}
}

// renumbered entries leave no gap.
func renumbered(all []broker.Entry) []broker.Entry {
	for i := range all {
		all[i].Seq = int64(i + 1)
	}
	return all
}

func TestEveryFieldOfAHeadIsSealed(t *testing.T) {
	t.Parallel()
	w := finished(t)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[broker.Head]()) {
		t.Run(field.Name, func(t *testing.T) {
			o := w.options()
			o.Store = tampered{Store: w.store, heads: func(all []broker.Head) []broker.Head {
				flip(t, reflect.ValueOf(&all[len(all)-1]).Elem().FieldByIndex(field.Index))
				return all
			}}
			w.refused(t, o, broker.Tampered)
		})
	}
}

// A store that was rolled back to an earlier, whole state, with entries and heads
// that fit each other, is older than what the token remembers.
func TestAnOlderStoreIsRefused(t *testing.T) {
	t.Parallel()
	w := finished(t)
	var heads []broker.Head
	for h, err := range w.store.Heads(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	for keep := 1; keep < len(heads); keep++ {
		o := w.options()
		o.Store = tampered{
			Store:   w.store,
			heads:   func(all []broker.Head) []broker.Head { return all[:keep] },
			entries: func(all []broker.Entry) []broker.Entry { return all[:heads[keep-1].Seq] },
		}
		t.Run(fmt.Sprintf("%d heads", keep), func(t *testing.T) { w.refused(t, o, broker.Tampered) })
	}
}

// flip makes a value another one of its type.
func flip(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Second)
		return
	case *map[string]string:
		*x = map[string]string{"module": "flipped", "region": "flipped"}
		return
	case *map[string]any:
		*x = map[string]any{"flipped": true}
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"flipped":true}`)
		return
	case *map[string]broker.Link:
		*x = map[string]broker.Link{"key aes": {Seq: 1, Hash: "flipped"}}
		return
	case *[]string:
		*x = append([]string{"flipped"}, *x...)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		flipSlice(t, v)
	case reflect.Struct:
		flip(t, v.Field(0))
	case reflect.Pointer:
		other := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			other.Elem().Set(v.Elem())
		}
		flip(t, other.Elem())
		v.Set(other)
	default:
		t.Fatalf("no way to flip %s", v.Type())
	}
}

func flipSlice(t *testing.T, v reflect.Value) {
	t.Helper()
	bytes := slices.Clone(v.Bytes())
	if len(bytes) == 0 {
		bytes = []byte{0}
	}
	bytes[0] ^= 1
	v.SetBytes(bytes)
}

// Entries that were written together are under the seal of the last: each holds, and the
// audit still has to end under one.
func TestEntriesAreUnderALaterSeal(t *testing.T) {
	t.Parallel()
	w := finished(t)
	verify := func(edit func([]broker.Head) []broker.Head) broker.AuditReport {
		t.Helper()
		o := w.options()
		o.Store = tampered{Store: w.store, heads: edit}
		b, err := broker.New(o)
		if err != nil {
			t.Fatal(err)
		}
		report, err := b.VerifyAudit(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	all := verify(nil)
	for i := range all.Heads {
		report := verify(func(heads []broker.Head) []broker.Head { return slices.Delete(heads, i, i+1) })
		last := i == all.Heads-1
		if report.Entries != all.Entries || report.Heads != all.Heads-1 || (len(report.Faults) > 0) != last {
			t.Errorf("without head %d of %d: %d entries, %d heads, faults %q", i+1, all.Heads, report.Entries, report.Heads, report.Faults)
		}
	}
}
