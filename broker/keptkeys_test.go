package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

// swapping is a target whose wrapping keys somebody else may change on the way.
type swapping struct {
	*providers.Provider
	answer func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error)
}

func (s swapping) WrappingKey(ctx context.Context, e broker.Effect, in broker.WrappingKeyIn) (broker.WrappingKey, error) {
	key, err := s.Provider.WrappingKey(ctx, e, in)
	return s.answer(in, key, err)
}

// vault is a world whose second target keeps wrapping keys; asked are those that it
// was asked for.
func vault(t *testing.T, answer func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error)) (w *world, asked *[]string) {
	t.Helper()
	w, asked = clouds(t), new([]string)
	for i, target := range w.others {
		if target.Name != "newest" {
			continue
		}
		w.others[i].Provider = swapping{target.Provider.(*providers.Provider), func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error) {
			*asked = append(*asked, in.Kept)
			if answer != nil {
				return answer(in, key, err)
			}
			return key, err
		}}
	}
	return w, asked
}

func intoVault(name string) broker.ImportRequest {
	return broker.ImportRequest{Name: name, Spec: broker.ECP256, Targets: []string{"newest"}, Why: broker.Why{Reason: "test"}}
}

// The first import has a wrapping key made; later ones fetch just that, until it is
// near its end.
func TestAKeptWrappingKeyServesUntilNearItsEnd(t *testing.T) {
	t.Parallel()
	w, asked := vault(t, nil)
	for _, name := range []string{"a", "b"} {
		if _, err := w.run(nil).Import(t.Context(), intoVault(name)); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := w.run(nil).TargetWrappingKeys(t.Context(), "newest")
	if err != nil || len(kept) != 1 || kept[0].Operation == "" || kept[0].Fingerprint == "" {
		t.Fatalf("kept: %+v, %v", kept, err)
	}
	if want := []string{"", kept[0].Ref}; len(*asked) != 2 || (*asked)[1] != want[1] || (*asked)[0] != "" {
		t.Errorf("asked for %q, want %q", *asked, want)
	}
	w.now = kept[0].ExpiresAt.Add(-23 * time.Hour)
	if _, err := w.run(nil).Import(t.Context(), intoVault("c")); err != nil {
		t.Fatal(err)
	}
	if last := (*asked)[len(*asked)-1]; last != "" {
		t.Errorf("near its end it was asked for %q again", last)
	}
	w.auditHolds(t)
}

// A wrapping key that is no longer the one that was made is refused, and nothing is
// wrapped or sent.
func TestAChangedKeptWrappingKeyIsRefused(t *testing.T) {
	t.Parallel()
	var planted broker.WrappingKey
	w, _ := vault(t, func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error) {
		if in.Kept == "" {
			return key, err
		}
		planted.Ref = in.Kept
		return planted, err
	})
	if _, err := w.run(nil).Import(t.Context(), intoVault("a")); err != nil {
		t.Fatal(err)
	}
	key := w.someKey(t)
	for range 2 { // the second is another key than the one that was made
		other, err := w.target.WrappingKey(t.Context(), broker.Effect{}, broker.WrappingKeyIn{Key: key, Mechanism: broker.KWPSHA1})
		if err != nil {
			t.Fatal(err)
		}
		planted = other
	}
	_, err := w.run(nil).Import(t.Context(), intoVault("b"))
	if !errors.Is(err, broker.Tampered) || !strings.Contains(err.Error(), "fingerprint") {
		t.Fatalf("%v", err)
	}
	if got := w.behind(t, "newest").Report().Names["b"]; len(got) != 0 {
		t.Errorf("sent: %+v", got)
	}
}

// What can no longer be used is put on record as ended, and another is made.
func TestAnEndedKeptWrappingKeyIsReplaced(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.Kind{broker.NotFound, broker.Expired} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w, asked := vault(t, func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error) {
				if in.Kept != "" {
					return broker.WrappingKey{}, &broker.Error{Kind: kind, Op: "fetch", Object: in.Kept}
				}
				return key, err
			})
			for _, name := range []string{"a", "b"} {
				if _, err := w.run(nil).Import(t.Context(), intoVault(name)); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := w.run(nil).TargetWrappingKeys(t.Context(), "newest")
			if err != nil || len(kept) != 2 || kept[0].Ended != "" && kept[1].Ended != "" || kept[0].Ended == "" && kept[1].Ended == "" {
				t.Errorf("kept: %+v, %v", kept, err)
			}
			if len(*asked) != 3 {
				t.Errorf("asked for %q", *asked)
			}
		})
	}
}

// Any other refusal of a kept one is an answer, not a reason to make another.
func TestARefusedKeptWrappingKeyStops(t *testing.T) {
	t.Parallel()
	w, asked := vault(t, func(in broker.WrappingKeyIn, key broker.WrappingKey, err error) (broker.WrappingKey, error) {
		if in.Kept != "" {
			return broker.WrappingKey{}, &broker.Error{Kind: broker.Rejected, Op: "fetch", Object: in.Kept, Cause: errors.New("its key_ops are import, wrapKey")}
		}
		return key, err
	})
	if _, err := w.run(nil).Import(t.Context(), intoVault("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.run(nil).Import(t.Context(), intoVault("b")); !errors.Is(err, broker.Rejected) {
		t.Errorf("%v", err)
	}
	if len(*asked) != 2 {
		t.Errorf("asked for %q", *asked)
	}
}

// A row that somebody planted in the store names a wrapping key of theirs: it is
// refused by name, with nothing sent.
func TestAPlantedRowOfAWrappingKeyIsRefused(t *testing.T) {
	t.Parallel()
	w, asked := vault(t, nil)
	if _, err := w.run(nil).Import(t.Context(), intoVault("a")); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func([]broker.KeptWrappingKey) []broker.KeptWrappingKey{
		"planted": func(k []broker.KeptWrappingKey) []broker.KeptWrappingKey {
			return append([]broker.KeptWrappingKey{{Target: "newest", Ref: "theirs", Fingerprint: "f", Operation: "o", MadeAt: w.now}}, k...)
		},
		"edited": func(k []broker.KeptWrappingKey) []broker.KeptWrappingKey { k[0].Fingerprint = "f"; return k },
	} {
		t.Run(name, func(t *testing.T) {
			before := len(*asked)
			o := w.options()
			o.Store = editedKeys{o.Store, edit}
			b, err := broker.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Import(t.Context(), intoVault("b-"+name)); !errors.Is(err, broker.Tampered) || !strings.Contains(err.Error(), "wrapping key") {
				t.Errorf("%v", err)
			}
			if len(*asked) != before {
				t.Errorf("asked for %q", (*asked)[before:])
			}
			report, err := b.VerifyAudit(t.Context(), nil)
			if err != nil || len(report.Faults) == 0 {
				t.Errorf("audit verify finds %q, %v", report.Faults, err)
			}
		})
	}
}

// editedKeys is a store whose table of wrapping keys somebody edited.
type editedKeys struct {
	broker.Store
	edit func([]broker.KeptWrappingKey) []broker.KeptWrappingKey
}

func (s editedKeys) WrappingKeys(ctx context.Context, target string) ([]broker.KeptWrappingKey, error) {
	kept, err := s.Store.WrappingKeys(ctx, target)
	return s.edit(kept), err
}

// someKey is an empty key at cloud.
func (w *world) someKey(t *testing.T) broker.KeyRef {
	t.Helper()
	made, err := w.target.Prepare(t.Context(), broker.Effect{Operation: "o", Target: "cloud", Step: broker.StepPrepare}, broker.PrepareIn{
		Name: "x", KeyID: "x", Number: 1, Spec: broker.ECP256, Purpose: broker.Sign, Mode: broker.NewKey, At: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.Key
}

// behind is the memory target behind whatever stands before it.
func (w *world) behind(t *testing.T, name string) *providers.Provider {
	t.Helper()
	for _, target := range w.others {
		if s, ok := target.Provider.(swapping); ok && target.Name == name {
			return s.Provider
		}
	}
	return w.provider(name)
}

// Attestation that is demanded and cannot be checked stops everything before it is sent.
func TestDemandedAttestationRefuses(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	for i := range w.others {
		w.others[i].WrappingKey.Attestation = true
	}
	_, err := w.run(nil).Import(t.Context(), broker.ImportRequest{Name: "k", Spec: broker.ECP256, Targets: []string{"numbered"}, Why: broker.Why{Reason: "test"}})
	if !errors.Is(err, broker.Unsupported) || !strings.Contains(err.Error(), "attestation") {
		t.Fatalf("%v", err)
	}
	if got := w.provider("numbered").Report().Names["k"]; len(got) != 0 && got[0].SHA256 != "" {
		t.Errorf("sent: %+v", got)
	}
}
