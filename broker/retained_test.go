package broker_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	tokens "github.com/keyferry/keyferry/hsm/memory"
)

// editedRetained is a store in which somebody edited what is kept wrapped.
type editedRetained struct {
	broker.Store
	edit func([]broker.Retained) []broker.Retained
}

func (s editedRetained) Retained(ctx context.Context, f broker.RetainedFilter) iter.Seq2[broker.Retained, error] {
	return func(yield func(broker.Retained, error) bool) {
		var all []broker.Retained
		for r, err := range s.Store.Retained(ctx, broker.RetainedFilter{}) {
			if err != nil {
				yield(r, err)
				return
			}
			all = append(all, r)
		}
		for _, r := range s.edit(all) {
			if (f.KeyID == "" || r.KeyID == f.KeyID) && (f.Keeper == "" || r.Keeper == f.Keeper) && !yield(r, nil) {
				return
			}
		}
	}
}

// keptImport is an import of material that is kept wrapped.
func keptImport(name string, spec broker.KeySpec) broker.ImportRequest {
	return broker.ImportRequest{Name: name, Spec: spec, Targets: []string{"cloud"}, Retain: broker.RetainWrapped, Why: broker.Why{Reason: "test"}}
}

// records that the store has.
func (w *world) records(t *testing.T) []broker.Retained {
	t.Helper()
	var all []broker.Retained
	for r, err := range w.store.Retained(t.Context(), broker.RetainedFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// opensNothing renews and verifies over an edited store: it is refused by name, nothing is sent,
// and the token is asked to open nothing.
func (w *world) opensNothing(t *testing.T, name string, s broker.Store, says string) {
	t.Helper()
	o := w.options()
	o.Store = s
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var opened []string
	w.inject = func(call string, before bool) error {
		if before && slices.Contains([]string{"token Open", "token Wrap", "target import", "target wrapping-key"}, call) {
			opened = append(opened, call)
		}
		return nil
	}
	defer func() { w.inject = nil }()
	_, renewed := b.Renew(t.Context(), broker.RenewRequest{Name: name, ValidTo: w.now.Add(24 * time.Hour)})
	_, verified := b.Verify(t.Context(), broker.VerifyRequest{Name: name})
	for what, err := range map[string]error{"renew": renewed, "verify": verified} {
		if !errors.Is(err, broker.Tampered) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want one that is tampered with and says %q", what, err, says)
		}
	}
	if len(opened) > 0 {
		t.Errorf("all the same it came to %v", opened)
	}
	report, err := b.VerifyAudit(t.Context(), nil)
	if err != nil || len(report.Faults) == 0 {
		t.Errorf("audit verify finds %q, %v", report.Faults, err)
	}
}

// Every field of a record: what was edited without the token is not opened.
func TestEveryFieldOfWhatIsKeptIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("ec", broker.ECP256))
	for _, field := range reflect.VisibleFields(reflect.TypeFor[broker.Retained]()) {
		t.Run(field.Name, func(t *testing.T) {
			w.opensNothing(t, "ec", editedRetained{w.store, func(all []broker.Retained) []broker.Retained {
				flip(t, reflect.ValueOf(&all[0]).Elem().FieldByIndex(field.Index))
				return all
			}}, "wrapped material of version")
		})
	}
}

// What the token sealed, for something else or earlier, is not opened either: the wrap
// itself would open, for it binds neither name nor type.
func TestARecordOfSomethingElseIsNotOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("one", broker.AES256))
	w.imported(t, keptImport("two", broker.AES256))
	w.imported(t, keptImport("mac", broker.HMAC256))
	older := w.records(t)
	at := func(name string) int {
		view, err := w.store.Key(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return slices.IndexFunc(older, func(r broker.Retained) bool { return r.KeyID == view.Key.ID })
	}
	one, two, mac := at("one"), at("two"), at("mac")
	reseal := func(r broker.Retained) broker.Retained {
		seal, err := w.token.Seal(t.Context(), r.Record())
		if err != nil {
			t.Fatal(err)
		}
		r.Seal = seal
		return r
	}
	for name, edit := range map[string]func([]broker.Retained){
		"two records are swapped": func(all []broker.Retained) {
			all[one].Wrapped, all[two].Wrapped = all[two].Wrapped, all[one].Wrapped
		},
		"two records are swapped whole": func(all []broker.Retained) {
			all[one], all[two] = all[two], all[one]
			all[one].KeyID, all[two].KeyID = all[two].KeyID, all[one].KeyID
		},
		"an HMAC key's": func(all []broker.Retained) {
			keyID := all[one].KeyID
			all[one] = all[mac]
			all[one].KeyID = keyID
		},
		"another store's":       func(all []broker.Retained) { all[one].Store = "other"; all[one] = reseal(all[one]) },
		"another token's":       func(all []broker.Retained) { all[one].TokenSerial = "other"; all[one] = reseal(all[one]) },
		"another environment's": func(all []broker.Retained) { all[one].Environment = "other"; all[one] = reseal(all[one]) },
		"another spec's":        func(all []broker.Retained) { all[one].Spec = broker.HMAC256; all[one] = reseal(all[one]) },
		"another usage's":       func(all []broker.Retained) { all[one].Usage.MAC = true; all[one] = reseal(all[one]) },
		"an older one":          func(all []broker.Retained) { all[one].At = all[one].At.Add(-time.Hour); all[one] = reseal(all[one]) },
	} {
		t.Run(name, func(t *testing.T) {
			w.opensNothing(t, "one", editedRetained{w.store, func(all []broker.Retained) []broker.Retained {
				edit(all)
				return all
			}}, "wrapped material of version 1 of key "+older[one].KeyID)
		})
	}
	t.Run("none", func(t *testing.T) {
		w.opensNothing(t, "one", editedRetained{w.store, func(all []broker.Retained) []broker.Retained { return slices.Delete(all, one, one+1) }}, "somebody removed it")
	})
}

// What is kept works like what is in the token, and the token holds nothing of it.
func TestKeptMaterialRenewsVerifiesAndIsBroughtBack(t *testing.T) {
	t.Parallel()
	for _, spec := range []broker.KeySpec{broker.AES256, broker.HMAC256, broker.ECP384} {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.imported(t, keptImport("k", spec))
			material := w.target.Report().Names["k"][0].SHA256
			if n := w.objects(t, "k"); n != 0 {
				t.Errorf("%d objects are in the token", n)
			}
			if c := w.verified(t, "k"); !c.OK {
				t.Errorf("verify: %+v", c)
			}
			v := w.observe(t, broker.Query{All: true})[0].Version
			if _, err := w.target.Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: broker.DeleteMaterial}); err != nil {
				t.Fatal(err)
			}
			for _, renew := range []broker.RenewRequest{{Name: "k", KeepEnd: true}, {Name: "k", ValidTo: w.now.Add(24 * time.Hour)}} {
				if _, err := w.run(nil).Renew(t.Context(), renew); err != nil {
					t.Fatalf("%+v: %v", renew, err)
				}
			}
			if got := w.target.Report().Names["k"][0].SHA256; got != material {
				t.Errorf("what came back is %s, it was %s", got, material)
			}
			if n := w.objects(t, "k"); n != 0 {
				t.Errorf("%d objects are left in the token", n)
			}
			w.exactlyOne(t, "k")
			w.auditHolds(t)
		})
	}
}

func TestWhatTheTokenCannotKeepIsRefusedBeforeAnythingIsOnRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options     tokens.Options
		environment string
		kind        broker.Kind
	}{
		"it does not wrap such keys":                         {tokens.Options{Unkeepable: []broker.KeySpec{broker.AES256}}, "test", broker.Unsupported},
		"it opens to what can be read, in production":        {tokens.Options{Unguarded: true}, broker.Production, broker.Unsupported},
		"it opens to what can be read, elsewhere":            {tokens.Options{Unguarded: true}, "test", ""},
		"in production, and guarded":                         {tokens.Options{}, broker.Production, ""},
		"it does not wrap others, which is no reason at all": {tokens.Options{Unkeepable: []broker.KeySpec{broker.HMAC256}}, "test", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bareWorld(t, quick())
			w.token, w.environment = tokens.New(c.options), c.environment
			w.enrol()
			before := len(w.events(t))
			req := keptImport("k", broker.AES256)
			_, planned := w.run(nil).PlanImport(t.Context(), req)
			_, err := w.run(nil).Import(t.Context(), req)
			for what, err := range map[string]error{"plan": planned, "import": err} {
				if c.kind == "" && err != nil || c.kind != "" && !errors.Is(err, c.kind) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if after := len(w.events(t)); c.kind != "" && after != before {
				t.Errorf("%d entries were written", after-before)
			}
		})
	}
}

func TestMaterialOfOthersIsNotKeptWrapped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	if err := w.token.Plant(tokens.Planted{ID: "theirs", Spec: broker.AES256}); err != nil {
		t.Fatal(err)
	}
	req := keptImport("k", broker.AES256)
	req.Object = "theirs"
	if _, err := w.run(nil).Import(t.Context(), req); !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), "not the broker's to end") {
		t.Errorf("%v", err)
	}
}

// One keeper key serves all, whoever is first.
func TestManyKeepUnderOneKeeperKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	var reqs []broker.ImportRequest
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		reqs = append(reqs, keptImport(name, broker.AES256))
	}
	for o := range w.run(nil).ImportEach(t.Context(), reqs, 6) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	keepers, err := w.store.Keepers(t.Context())
	if err != nil || len(keepers) != 1 || keepers[0].State != broker.KeeperCurrent {
		t.Fatalf("%+v, %v", keepers, err)
	}
	inToken, err := w.token.Keepers(t.Context())
	if err != nil || len(inToken) != 1 || inToken[0].ID != keepers[0].ID {
		t.Errorf("%+v, %v", inToken, err)
	}
	for i, r := range w.records(t) {
		if r.Keeper != keepers[0].ID || i > 0 && bytes.Equal(r.Wrapped, w.records(t)[0].Wrapped) {
			t.Errorf("%+v", r)
		}
	}
	w.auditHolds(t)
}

// A keeper key that is gone from the token is never made anew, and what is kept is
// refused by name.
func TestALostKeeperKeyIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, keptImport("k", broker.AES256))
	id := w.records(t)[0].Keeper
	if err := w.token.DestroyKeeper(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, renewed := w.run(nil).Renew(t.Context(), broker.RenewRequest{Name: "k", ValidTo: w.now.Add(24 * time.Hour)})
	_, imported := w.run(nil).Import(t.Context(), keptImport("next", broker.AES256))
	for what, err := range map[string]error{"renew": renewed, "import": imported} {
		if !errors.Is(err, broker.NotFound) || !strings.Contains(err.Error(), string(id)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if keys, err := w.token.Keepers(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("made all the same: %v, %v", keys, err)
	}
}
