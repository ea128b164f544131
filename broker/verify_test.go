package broker_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	providers "github.com/keyferry/keyferry/providers/memory"
)

func (w *world) verified(t *testing.T, name string) broker.Check {
	t.Helper()
	checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: name})
	if err != nil || len(checks) != 1 {
		t.Fatalf("verify: %+v, %v", checks, err)
	}
	return checks[0]
}

func (w *world) refOf(t *testing.T, name string) broker.VersionRef {
	t.Helper()
	view, err := w.store.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return view.Placements[0].Version
}

func TestVerifyProvesAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	for _, req := range lines() {
		w.imported(t, req)
		if c := w.verified(t, req.Name); !c.OK || c.Level == broker.ProofAccepted || c.State != broker.RemoteEnabled {
			t.Errorf("%s: %+v", req.Name, c)
		}
	}
}

// A placement whose import did not finish has its row too: it does not hold.
func TestVerifyNamesWhatDidNotFinish(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.stopped(t, "newest wrapping-key", "numbered", "newest")
	checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "k"})
	if err != nil || len(checks) != 2 {
		t.Fatalf("%+v, %v", checks, err)
	}
	for _, c := range checks {
		unfinished := strings.Contains(c.Detail, "did not finish")
		if want := c.Target == "numbered"; c.OK != want || unfinished == want || c.At.IsZero() {
			t.Errorf("%+v", c)
		}
	}
}

// A target that cannot be asked, or is gone from the config, has its row, and the others
// have theirs.
func TestVerifyAsksEveryTargetForItself(t *testing.T) {
	t.Parallel()
	denied := func(call string) func(*world) {
		return func(w *world) {
			w.inject = func(c string, _ bool) error {
				if c == call {
					return &broker.Error{Kind: broker.Denied, Op: "ask", Permission: "keys.get"}
				}
				return nil
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(*world)
		says  string
	}{
		"not seen":       {denied("numbered look"), "it could not be asked: look at target numbered"},
		"not proven":     {denied("numbered prove"), "grant keys.get"},
		"not identified": {denied("numbered identify"), "it could not be asked: identify at target numbered"},
		"not configured": {func(w *world) {
			w.others = slices.DeleteFunc(w.others, func(t broker.Target) bool { return t.Name == "numbered" })
		}, "find target numbered: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.imported(t, everywhere("k", broker.ECP256))
			c.spoil(w)
			checks, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "k"})
			if err != nil || len(checks) != 3 {
				t.Fatalf("%+v, %v", checks, err)
			}
			for _, row := range checks {
				spoiled := row.Target == "numbered"
				if row.OK == spoiled || strings.Contains(row.Detail, c.says) != spoiled {
					t.Errorf("%s: %v, %s", row.Target, row.OK, row.Detail)
				}
			}
		})
	}
}

// An answer that comes from somebody else is no row among others.
func TestVerifyStopsAtAForeignAnswer(t *testing.T) {
	t.Parallel()
	w := clouds(t)
	w.imported(t, everywhere("k", broker.ECP256))
	w.inject = func(c string, _ bool) error {
		if c == "numbered look" {
			return broker.Tampered
		}
		return nil
	}
	if _, err := w.run(nil).Verify(t.Context(), broker.VerifyRequest{Name: "k"}); !errors.Is(err, broker.Tampered) {
		t.Errorf("%v", err)
	}
}

// What somebody disabled does not hold; its public key is compared all the same, where it
// is shown.
func TestVerifyOfWhatSomebodyDisabled(t *testing.T) {
	t.Parallel()
	for target, says := range map[string]string{
		"newest": "it is disabled; the public key alone was compared", "numbered": "it is disabled; the target shows nothing",
	} {
		w := clouds(t)
		v := w.imported(t, at("k", target)).Key.Placements[0].Version
		if _, err := w.provider(target).Do(t.Context(), broker.Effect{Operation: "theirs"}, v, broker.Action{Kind: broker.Disable}); err != nil {
			t.Fatal(err)
		}
		if c := w.verified(t, "k"); c.OK || !strings.Contains(c.Detail, says) || c.State != broker.RemoteDisabled {
			t.Errorf("%s: %+v", target, c)
		}
	}
}

// What a later check finds replaced is reported, and stays reported.
func TestVerifyFindsOtherMaterial(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[1])
	other := make([]byte, 32)
	rand.Read(other)
	if err := w.target.Replace(w.refOf(t, "hmac").Key, other); err != nil {
		t.Fatal(err)
	}
	if c := w.verified(t, "hmac"); c.OK || c.Detail == "" {
		t.Errorf("other material was not found: %+v", c)
	}
}

// retain: none leaves eight challenges, each used once; then it says so.
func TestKeptChallengesAreUsedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[1])
	for i := range 8 {
		if c := w.verified(t, "hmac"); !c.OK {
			t.Fatalf("check %d: %+v", i+1, c)
		}
	}
	if c := w.verified(t, "hmac"); c.OK || !strings.Contains(c.Detail, "used up") {
		t.Errorf("check 9: %+v", c)
	}
}

func TestAKeptChallengeIsSpentBeforeItIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[1])
	for range 3 {
		w.inject = func(call string, before bool) error {
			if call == "target prove" && before {
				return broker.Denied
			}
			return nil
		}
		if c := w.verified(t, "hmac"); c.OK || !strings.Contains(c.Detail, "denied") {
			t.Fatalf("%+v", c)
		}
	}
	view, err := w.store.Key(t.Context(), "hmac")
	if err != nil {
		t.Fatal(err)
	}
	if left := len(view.Placements[0].Proof.Kept); left != 5 {
		t.Errorf("%d challenges are left after three were shown to the target", left)
	}
}

func TestVerifySaysWhatStateItFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.imported(t, lines()[0])
	v := w.refOf(t, "aes")
	for _, c := range []struct {
		action broker.ActionKind
		state  broker.RemoteState
		ok     bool
	}{
		{broker.Disable, broker.RemoteDisabled, false},
		{broker.Enable, broker.RemoteEnabled, true},
		{broker.DeleteMaterial, broker.RemotePending, false},
		{broker.Schedule, broker.RemoteScheduled, false},
	} {
		if _, err := w.target.Do(t.Context(), broker.Effect{Operation: "somebody"}, v, broker.Action{Kind: c.action}); err != nil {
			t.Fatal(err)
		}
		if got := w.verified(t, "aes"); got.OK != c.ok || got.State != c.state {
			t.Errorf("after %s: %+v", c.action, got)
		}
	}
}

// A target that holds other material than the token: never activated, suspended,
// kept for inquiry, reported, and not to be renewed.
func TestAFailedProofMakesTheVersionUnusable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	other := make([]byte, 32)
	rand.Read(other)
	w.inject = func(call string, before bool) error {
		if call == "target prove" && before {
			for _, held := range w.target.Report().Names["hmac"] {
				return w.target.Replace(held.Version.Key, other)
			}
		}
		return nil
	}
	_, err := w.run(nil).Import(t.Context(), lines()[1])
	w.inject = nil
	if !errors.Is(err, broker.Differs) || !strings.Contains(err.Error(), "prove") {
		t.Fatalf("import: %v", err)
	}
	view, err := w.store.Key(t.Context(), "hmac")
	if err != nil {
		t.Fatal(err)
	}
	p := view.Placements[0]
	if p.Step != broker.PlacementFailed || !p.Proof.Failed || view.Versions[0].State != broker.Suspended {
		t.Errorf("on record: %s, %+v, %s", p.Step, p.Proof, view.Versions[0].State)
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/hmac"}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
	for name, attempt := range map[string]func(b *broker.Broker) error{
		"import": func(b *broker.Broker) error { _, err := b.Import(t.Context(), lines()[1]); return err },
		"activate": func(b *broker.Broker) error {
			_, err := b.Activate(t.Context(), broker.ActivateRequest{Name: "hmac"})
			return err
		},
		"renew": func(b *broker.Broker) error {
			_, err := b.Renew(t.Context(), broker.RenewRequest{Name: "hmac"})
			return err
		},
		"resume": func(b *broker.Broker) error { _, err := b.Resume(t.Context(), w.importOf("hmac")); return err },
	} {
		if err := attempt(w.run(nil)); err == nil {
			t.Errorf("%s went on", name)
		}
	}
	if c := w.verified(t, "hmac"); c.OK {
		t.Errorf("verified: %+v", c)
	}
	if seen := w.observe(t, broker.Query{Consumer: "alias/hmac"}); len(seen) != 0 {
		t.Errorf("consumers get %+v", seen)
	}
	if _, err := w.run(nil).Abort(t.Context(), broker.AbortRequest{Operation: w.importOf("hmac"), Why: broker.Why{Reason: "inquiry is over"}}); err != nil {
		t.Errorf("abort: %v", err)
	}
}

// The negative control decides what a reimport is worth at an endpoint that is not
// genuinely the provider's, and leaves nothing behind.
func TestControlDecidesWhatAReimportIsWorth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		existing func(broker.ImportIn, broker.Imported, error) (broker.Imported, error)
		want     broker.ProofLevel
	}{
		"it refuses other material": {nil, broker.ProofReimport},
		"it takes anything": {func(in broker.ImportIn, out broker.Imported, err error) (broker.Imported, error) {
			if in.Kind == broker.ImportExisting && errors.Is(err, broker.Differs) {
				return broker.Imported{Version: *in.Version}, nil
			}
			return out, err
		}, broker.ProofAccepted},
		"it takes nothing as existing": {func(in broker.ImportIn, out broker.Imported, err error) (broker.Imported, error) {
			if in.Kind == broker.ImportExisting {
				return broker.Imported{}, broker.Conflict
			}
			return out, err
		}, broker.ProofAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bareWorld(t, quick())
			w.foreign, w.existing = true, c.existing
			w.enrol()
			if p := w.imported(t, lines()[0]).Key.Placements[0].Proof; p.Level != c.want {
				t.Errorf("the proof is %+v", p)
			}
			if left := w.target.Report().Orphans; len(left) != 0 {
				t.Errorf("the control left %+v", left)
			}
			for o, err := range w.token.Objects(t.Context(), broker.ObjectQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(o.Label, "control") {
					t.Errorf("the control left %+v in the token", o)
				}
			}
		})
	}
}

// peculiar is a target that answers imports in a way of its own.
type peculiar struct {
	*providers.Provider
	answer func(broker.ImportIn, broker.Imported, error) (broker.Imported, error)
}

func (p peculiar) Import(ctx context.Context, e broker.Effect, in broker.ImportIn) (broker.Imported, error) {
	out, err := p.Provider.Import(ctx, e, in)
	if p.answer == nil {
		return out, err
	}
	return p.answer(in, out, err)
}
