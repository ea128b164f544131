package broker_test

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
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
	if err := w.token.SetAnchor(t.Context(), "audit head", kept[0]); err != nil {
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

// Of several records, which a run that was killed may leave, the newest of this store counts.
func TestTheNewestOfSeveralAnchorsCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.enrolAlive()
	if _, err := w.run(nil).Import(t.Context(), at("one", "cloud")); err != nil {
		t.Fatal(err)
	}
	newest, err := w.token.Anchor(t.Context(), "audit head")
	if err != nil {
		t.Fatal(err)
	}
	older := regexp.MustCompile(`"seq":\d+`).ReplaceAll(newest[0], []byte(`"seq":1`))
	future := regexp.MustCompile(`"seq":\d+`).ReplaceAll(newest[0], []byte(`"seq":100000`))
	for name, c := range map[string]struct {
		more []byte
		want error
	}{
		"an older one": {more: older}, "another store's": {more: []byte(`{"store":"another","head":{"seq":100000,"hash":"x"}}`)},
		"a newer one, so that the store is older": {more: future, want: broker.Tampered},
	} {
		for _, order := range [][][]byte{{newest[0], c.more}, {c.more, newest[0]}} {
			o := w.options()
			o.Token.Token = severalAnchors{o.Token.Token.(everyToken), order} //nolint:forcetypeassert // it has all of it
			b, err := broker.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.CheckEnrolments(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
}

// everyToken is what a Broker asks of its token here.
type everyToken interface {
	broker.Token
	broker.Sealer
	broker.Anchorer
}

// severalAnchors remembers more than one record.
type severalAnchors struct {
	everyToken
	records [][]byte
}

func (s severalAnchors) Anchor(context.Context, string) ([][]byte, error) { return s.records, nil }
