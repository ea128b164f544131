package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// forgets lets the token remember nothing, as one without data objects does.
func (w *world) forgets(t *testing.T) {
	t.Helper()
	must(t, w.token.SetAnchor(t.Context(), "audit head", []byte("{}")))
}

// refusedAsOlder holds that the import changes nothing, and names what reconciles the store.
func (w *world) refusedAsOlder(t *testing.T, req broker.ImportRequest, kind broker.Kind, target string) {
	t.Helper()
	before := len(w.held(target))
	_, err := w.run(nil).Import(t.Context(), req)
	e, ok := errors.AsType[*broker.Error](err)
	for ok && !strings.Contains(e.Hint, "keyferry store recover --reason") {
		e, ok = errors.AsType[*broker.Error](e.Cause)
	}
	if !errors.Is(err, kind) || !ok || !strings.Contains(e.Hint, "older than what the target shows") {
		t.Errorf("%v, hint %+v", err, e)
	}
	if after := len(w.held(target)); after != before {
		t.Errorf("it held %d, and holds %d", before, after)
	}
}

// Where the token cannot tell that a store is older, the target does: a name that leads
// to a key of ours whose material is in this token.
func TestATargetShowsThatTheStoreIsOlder(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"cloud", "numbered", "newest"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			old := w.copied(t)
			w.imported(t, only(target))
			w.store = old
			w.forgets(t)
			w.refusedAsOlder(t, only(target), broker.Conflict, target)
			out, err := w.run(nil).RecoverStore(t.Context(), backupOfMonday)
			if err != nil || out.Older || len(out.Missing) != 2 {
				t.Errorf("%+v, %v", out, err)
			}
			if _, err := w.run(nil).Import(t.Context(), only(target)); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "when the store was recovered") {
				t.Errorf("after it was recovered: %v", err)
			}
		})
	}
}

// A name that leads to a key with marks of ours, and nothing of it in this token, is
// somebody else's.
func TestANameOfAnotherStoresKeyIsNoSignOfAnOlderOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	_, err := w.target.Plant(providers.Plant{
		Effect: "kf-other", In: broker.PrepareIn{Name: "aes", KeyID: "other", Spec: broker.AES256, Purpose: broker.Encrypt}, Consumer: "alias/aes",
	})
	must(t, err)
	_, err = w.run(nil).Import(t.Context(), lines()[0])
	if e, ok := errors.AsType[*broker.Error](err); !ok || !strings.HasPrefix(e.Hint, "import under another name") {
		t.Errorf("%v, %+v", err, e)
	}
}

// A key on record that holds a version which no operation on record brought: nothing is
// sent into it. One that an operation on record brought says nothing of the kind.
func TestAKeyThatShowsMoreThanIsOnRecord(t *testing.T) {
	t.Parallel()
	for effect, hint := range map[string]string{"kf-of-later": "keyferry store recover --reason", "": "let it be as it was"} {
		w := clouds(t)
		w.inject = func(call string, before bool) error {
			if call == "newest wrapping-key" && before {
				return broker.Denied
			}
			return nil
		}
		if _, err := w.run(nil).Import(t.Context(), pairAtNewest()); !errors.Is(err, broker.Denied) {
			t.Fatal(err)
		}
		w.inject = nil
		view, err := w.store.Key(t.Context(), "k")
		must(t, err)
		_, err = w.provider("newest").Plant(providers.Plant{
			Effect: effect, Material: pkcs8(t),
			In: broker.PrepareIn{Name: "k", KeyID: view.Key.ID, RemoteName: "k", Number: 1, Spec: broker.ECP256, Purpose: broker.Sign},
		})
		must(t, err)
		_, err = w.run(nil).Import(t.Context(), pairAtNewest())
		if e, ok := errors.AsType[*broker.Error](err); !errors.Is(err, broker.Undecided) || !ok || !strings.Contains(e.Hint, hint) || len(e.Seen) != 1 {
			t.Errorf("marked %q: %v, %+v", effect, err, e)
		}
		if n := len(w.held("newest")); n != 1 {
			t.Errorf("%d versions", n)
		}
	}
}

// A name that leads to a later key of ours: what moved it is not on record, and nobody
// moves it back.
func TestANameThatWasMovedToALaterVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = func(call string, before bool) error {
		if call != "target activate" || !before {
			return nil
		}
		w.inject = nil
		view, err := w.store.Key(t.Context(), "aes")
		must(t, err)
		_, err = w.target.Plant(providers.Plant{
			Effect: "kf-of-later", In: broker.PrepareIn{Name: "aes", KeyID: view.Key.ID, Number: 2, Spec: broker.AES256, Purpose: broker.Encrypt}, Consumer: "alias/aes",
		})
		must(t, err)
		return nil
	}
	_, err := w.run(nil).Import(t.Context(), lines()[0])
	if e, ok := errors.AsType[*broker.Error](err); !errors.Is(err, broker.Undecided) || !ok || !strings.Contains(e.Hint, "keyferry store recover --reason") {
		t.Errorf("%v, %+v", err, e)
	}
}
