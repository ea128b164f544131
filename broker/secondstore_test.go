package broker_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// A token that serves one store is not taken over by another in silence: the first
// one would be refused from then on. A person may decide to, and says why.
func TestASecondStoreTakesNoTokenOverInSilence(t *testing.T) {
	t.Parallel()
	for _, begun := range []string{"empty", "enrolled when the token had forgotten"} {
		t.Run(begun, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.imported(t, lines()[0])
			first := w.store
			other, err := store.Create(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "other.db")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := other.Close(); err != nil {
					t.Error(err)
				}
			})
			why := broker.Why{Reason: "the first store is lost"}
			w.store = other
			if begun != "empty" {
				w.enrolForgetful(t, why)
			}
			refused := func(err error) {
				t.Helper()
				e, ok := errors.AsType[*broker.Error](err)
				if !errors.Is(err, broker.Conflict) || !ok || !strings.Contains(err.Error(), "another store, which began with "+genesis(t, first)) ||
					!strings.Contains(e.Hint, "keyferry token enrol --environment test --restored --reason") {
					t.Errorf("%v, hint %+v", err, e)
				}
			}
			refused(w.run(nil).MayEnrolToken(t.Context(), false))
			_, err = w.run(nil).EnrolToken(t.Context(), why)
			refused(err)
			w.store = first
			if err := w.run(nil).CheckEnrolments(t.Context()); err != nil {
				t.Errorf("the first store, after that was refused: %v", err)
			}
			if _, err := w.run(nil).EnrolToken(t.Context(), why); err != nil {
				t.Errorf("the same store once more: %v", err)
			}
			w.store = other
			if err := w.run(nil).MayEnrolToken(t.Context(), true); err != nil {
				t.Errorf("on purpose, asked: %v", err)
			}
			if _, _, err := w.run(nil).EnrolRestored(t.Context(), why); err != nil {
				t.Fatal(err)
			}
			if !w.hasEvent(t, "token.enrolled") {
				t.Error("it is not on record")
			}
			w.store = first
			refusal := w.run(nil).CheckEnrolments(t.Context())
			if !errors.Is(refusal, broker.Conflict) || !strings.Contains(refusal.Error(), genesis(t, other)) {
				t.Errorf("the first store, after the other was taken: %v", refusal)
			}
		})
	}
}

// enrolForgetful enrols a token while it remembers no store, and gives it its memory back.
func (w *world) enrolForgetful(t *testing.T, why broker.Why) {
	t.Helper()
	kept, err := w.token.Anchor(t.Context(), "audit head")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.token.SetAnchor(t.Context(), "audit head", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(nil).EnrolToken(t.Context(), why); err != nil {
		t.Fatal(err)
	}
	if err := w.token.SetAnchor(t.Context(), "audit head", kept); err != nil {
		t.Fatal(err)
	}
}

// genesis is the beginning of a store, as messages have it.
func genesis(t *testing.T, s broker.Store) string {
	t.Helper()
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		return e.Hash[:16]
	}
	t.Fatal("the store has no entry")
	return ""
}
