package broker_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// editedRows is a store whose tables somebody edited without the token.
type editedRows struct {
	broker.Store
	key       func(*broker.KeyView)
	operation func(*broker.OperationView)
}

func (s editedRows) Key(ctx context.Context, name string) (broker.KeyView, error) {
	view, err := s.Store.Key(ctx, name)
	if err == nil && s.key != nil {
		s.key(&view)
	}
	return view, err
}

func (s editedRows) Keys(ctx context.Context, f broker.KeyFilter) iter.Seq2[broker.KeyView, error] {
	return func(yield func(broker.KeyView, error) bool) {
		for view, err := range s.Store.Keys(ctx, f) {
			if err == nil && s.key != nil {
				s.key(&view)
			}
			if !yield(view, err) {
				return
			}
		}
	}
}

func (s editedRows) Operation(ctx context.Context, id string) (broker.OperationView, error) {
	op, err := s.Store.Operation(ctx, id)
	if err == nil && s.operation != nil {
		s.operation(&op)
	}
	return op, err
}

func (s editedRows) Operations(ctx context.Context, f broker.OperationFilter) iter.Seq2[broker.OperationView, error] {
	return func(yield func(broker.OperationView, error) bool) {
		for op, err := range s.Store.Operations(ctx, f) {
			if err == nil && s.operation != nil {
				s.operation(&op)
			}
			if !yield(op, err) {
				return
			}
		}
	}
}

// halted is a set-up with an import that stopped before its material was sent.
func halted(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call == "target import" && before {
			return broker.Denied
		}
		return nil
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Denied) {
		t.Fatal(err)
	}
	w.inject = nil
	return w
}

// Every field of every row of an unfinished import: what was edited is refused
// before anything is sent, and audit verify names it.
func TestEveryFieldOfEveryRowIsHeldAgainstTheAudit(t *testing.T) {
	t.Parallel()
	w := halted(t)
	flipAt := func(v any, field reflect.StructField) { flip(t, reflect.ValueOf(v).Elem().FieldByIndex(field.Index)) }
	for name, c := range map[string]struct {
		row  any
		edit func(s *editedRows, f reflect.StructField)
	}{
		"key": {broker.Key{}, func(s *editedRows, f reflect.StructField) {
			s.key = func(v *broker.KeyView) { flipAt(&v.Key, f) }
		}},
		"version": {broker.KeyVersion{}, func(s *editedRows, f reflect.StructField) {
			s.key = func(v *broker.KeyView) { flipAt(&v.Versions[0], f) }
		}},
		"placement": {broker.Placement{}, func(s *editedRows, f reflect.StructField) {
			s.key = func(v *broker.KeyView) { flipAt(&v.Placements[0], f) }
		}},
		"operation": {broker.Operation{}, func(s *editedRows, f reflect.StructField) {
			s.operation = func(o *broker.OperationView) { flipAt(&o.Operation, f) }
		}},
		"effect": {broker.EffectRecord{}, func(s *editedRows, f reflect.StructField) {
			s.operation = func(o *broker.OperationView) { flipAt(&o.Effects[0], f) }
		}},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(c.row)) {
			t.Run(name+"/"+field.Name, func(t *testing.T) {
				s := editedRows{Store: w.store}
				c.edit(&s, field)
				w.refusesEdited(t, s)
			})
		}
	}
}

func (w *world) refusesEdited(t *testing.T, s broker.Store) {
	t.Helper()
	before := w.target.Report()
	o := w.options()
	o.Store = s
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) && !errors.Is(err, broker.Conflict) && !errors.Is(err, broker.Denied) {
		t.Errorf("import: %v", err)
	}
	if report, err := b.VerifyAudit(t.Context(), nil); err != nil || len(report.Faults) == 0 {
		t.Errorf("audit verify: %+v, %v", report, err)
	}
	if after := w.target.Report(); !reflect.DeepEqual(before, after) {
		t.Errorf("the target changed: %+v, it was %+v", after, before)
	}
}

func TestHeadsRemovedWithTheirTriggers(t *testing.T) {
	t.Parallel()
	w := finished(t)
	o := w.options()
	o.Store = tampered{Store: w.store, heads: func([]broker.Head) []broker.Head { return nil }}
	w.refused(t, o, broker.Tampered)
	o.Store = tampered{
		Store: w.store, heads: func([]broker.Head) []broker.Head { return nil }, entries: func([]broker.Entry) []broker.Entry { return nil },
	}
	w.refused(t, o, broker.Tampered, broker.Conflict) // it is no store that the token remembers
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := b.VerifyAudit(t.Context(), nil); err != nil || len(report.Faults) == 0 {
		t.Errorf("audit verify of an emptied audit: %+v, %v", report, err)
	}
}

// A token that remembers one store does not serve another until it is enrolled
// with it; then the first is refused.
func TestATokenServesOneStore(t *testing.T) {
	t.Parallel()
	first := finished(t)
	second := newWorld(t, quick())
	second.token = first.token
	o := second.options()
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckEnrolments(t.Context()); err == nil {
		t.Fatal("another token's seals were taken")
	}
	if _, err := b.EnrolToken(t.Context(), broker.Why{Reason: "move"}); err == nil {
		t.Error("a store that another token sealed was enrolled")
	}
}

// The lease ran out while an answer was waited for, and another run finished the
// import: the first one touches nothing any more.
func TestALostLeaseEndsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call != "target prepare" || !before {
			return nil
		}
		w.inject = nil
		w.now = w.now.Add(11 * time.Minute)
		if _, err := w.run(nil).Import(t.Context(), lines()[0]); err != nil {
			t.Errorf("the second run: %v", err)
		}
		return broker.Unclear
	}
	_, err := w.run(nil).Import(t.Context(), lines()[0])
	if !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "ran out") {
		t.Errorf("the first run: %v", err)
	}
	w.exactlyOne(t, "aes")
	op, err := w.store.Operation(t.Context(), w.importOf("aes"))
	if err != nil || op.Operation.State != broker.Finished {
		t.Errorf("on record: %s, %v", op.Operation.State, err)
	}
}

// Runs that begin at once, in one process or in several: one of them is the
// writer, the others are told; together they make one version.
func TestOneWriterAKey(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d processes", processes), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.enrolAlive()
			brokers := make([]*broker.Broker, processes)
			for i := range brokers {
				o := w.options()
				o.Holder = fmt.Sprint("process ", i)
				o.Stale = func(string) bool { return false }
				b, err := broker.New(o)
				if err != nil {
					t.Fatal(err)
				}
				brokers[i] = b
			}
			errs := make(chan error)
			for i := range 8 {
				go func() {
					_, err := brokers[i%processes].Import(t.Context(), lines()[2])
					errs <- err
				}()
			}
			finished := 0
			for range 8 {
				if err := <-errs; err == nil {
					finished++
				} else if !errors.Is(err, broker.Conflict) {
					t.Error(err)
				}
			}
			if finished == 0 {
				t.Error("none finished")
			}
			w.exactlyOne(t, "ec")
			w.auditHolds(t)
		})
	}
}

// enrolAlive makes sure that no fault hook is shared by the runs to come.
func (w *world) enrolAlive() { w.k, w.inject = nil, nil }
