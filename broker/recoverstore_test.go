package broker_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// copied is the store as it is now, for a world that goes back to it.
func (w *world) copied(t *testing.T) broker.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	must(t, w.store.(*store.Store).Backup(t.Context(), path))
	old, err := store.Open(t.Context(), store.Options{Path: path})
	must(t, err)
	t.Cleanup(func() { must(t, old.Close()) })
	return old
}

// putBack is a world whose store was put back to before an import.
func putBack(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, quick())
	w.imported(t, lines()[2])
	old := w.copied(t)
	w.imported(t, lines()[0])
	w.store = old
	return w
}

var backupOfMonday = broker.Why{Reason: "disk lost, backup of Monday"}

// changes are the commands that change something; an operation is aborted and resumed.
func changes(id string) map[string]func(context.Context, *broker.Broker) error {
	orphan := broker.OrphanRequest{Target: "cloud", Ref: "memory:memory:key/2", Why: backupOfMonday}
	return map[string]func(context.Context, *broker.Broker) error{
		"import":       func(ctx context.Context, b *broker.Broker) error { _, err := b.Import(ctx, lines()[0]); return err },
		"import again": func(ctx context.Context, b *broker.Broker) error { _, err := b.Import(ctx, lines()[2]); return err },
		"renew": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.Renew(ctx, broker.RenewRequest{Name: "ec"})
			return err
		},
		"activate": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.Activate(ctx, broker.ActivateRequest{Name: "ec"})
			return err
		},
		"orphan remove": func(ctx context.Context, b *broker.Broker) error { _, err := b.RemoveOrphan(ctx, orphan); return err },
		"verify": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.Verify(ctx, broker.VerifyRequest{Name: "ec"})
			return err
		},
		"resume": func(ctx context.Context, b *broker.Broker) error { _, err := b.Resume(ctx, id); return err },
		"abort": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.Abort(ctx, broker.AbortRequest{Operation: id, Why: backupOfMonday})
			return err
		},
		"token enrol": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.EnrolToken(ctx, backupOfMonday)
			return err
		},
		"target enrol": func(ctx context.Context, b *broker.Broker) error {
			_, err := b.EnrolTarget(ctx, "cloud", backupOfMonday)
			return err
		},
		"doctor's look": func(ctx context.Context, b *broker.Broker) error { return b.CheckEnrolments(ctx) },
	}
}

// Every command that changes something is refused by a store that is older, with
// nothing sent, and says what reconciles it.
func TestAnOlderStoreIsReadOnly(t *testing.T) {
	t.Parallel()
	w := putBack(t)
	id, before := w.importOf("ec"), w.target.Report()
	var sent []string
	w.inject = func(call string, _ bool) error {
		if strings.HasPrefix(call, "target ") {
			sent = append(sent, call)
		}
		return nil
	}
	for name, change := range changes(id) {
		b, err := broker.New(w.options())
		must(t, err)
		err = change(t.Context(), b)
		e, ok := errors.AsType[*broker.Error](err)
		for ok && e.Hint == "" {
			e, ok = errors.AsType[*broker.Error](e.Cause)
		}
		if !errors.Is(err, broker.Tampered) || !strings.Contains(err.Error(), "read-only") || !ok || !strings.Contains(e.Hint, "keyferry store recover --reason") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.inject = nil
	if len(sent) > 0 {
		t.Errorf("sent all the same: %s", sent)
	}
	if _, err := w.store.Key(t.Context(), "ec"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if after := w.target.Report(); len(after.Names) != len(before.Names) {
		t.Errorf("the target changed: %+v", after)
	}
}

// What was done since is found, at the target and in the token, and made no second time.
func TestRecoverListsWhatIsMissingAndMakesNothingTwice(t *testing.T) {
	t.Parallel()
	w := putBack(t)
	planned, err := w.run(nil).PlanRecover(t.Context())
	must(t, err)
	if _, err := w.run(nil).Import(t.Context(), lines()[1]); !errors.Is(err, broker.Tampered) {
		t.Errorf("after a look alone: %v", err)
	}
	if _, err := w.run(nil).RecoverStore(t.Context(), broker.Why{}); !errors.Is(err, broker.Misuse) {
		t.Errorf("without a reason: %v", err)
	}
	done, err := w.run(nil).RecoverStore(t.Context(), backupOfMonday)
	must(t, err)
	for _, out := range []broker.Recovered{planned, done} {
		keys, objects := 0, 0
		for _, o := range out.Missing {
			if o.Name != "aes" {
				t.Errorf("missing: %+v", o)
			}
			if o.Material != "" {
				objects++
			} else if o.Target == "cloud" {
				keys++
			}
		}
		if !out.Older || out.Head >= out.Remembered || keys != 1 || objects != 1 {
			t.Errorf("%d keys, %d objects of %+v", keys, objects, out)
		}
	}
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "when the store was recovered") {
		t.Errorf("the same import: %v", err)
	}
	if held := w.target.Report().Names["aes"]; len(held) != 1 {
		t.Errorf("the target holds %+v", held)
	}
	w.imported(t, lines()[1])
	w.auditHolds(t)
	orphans, err := w.run(nil).Orphans(t.Context(), nil)
	if err != nil || len(orphans) != 1 || orphans[0].Name != "aes" {
		t.Errorf("still listed: %+v, %v", orphans, err)
	}
}

// An import that was under way when the backup was made, and finished after it, goes on
// to the same end: with one version.
func TestRecoverGoesOnWithWhatWasUnderWay(t *testing.T) {
	t.Parallel()
	w := halted(t)
	old := w.copied(t)
	w.imported(t, lines()[0])
	w.store = old
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Tampered) {
		t.Errorf("before it is recovered: %v", err)
	}
	out, err := w.run(nil).RecoverStore(t.Context(), backupOfMonday)
	if err != nil || len(out.Missing) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	w.imported(t, lines()[0])
	w.exactlyOne(t, "aes")
	w.auditHolds(t)
}

// Two copies of one machine: the one that went on is served, the other refused.
func TestACloneThatFellBehindIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	first, second := w.store, w.copied(t)
	w.imported(t, lines()[0])
	w.store = second
	w.refused(t, w.options(), broker.Tampered)
	w.store = first
	w.imported(t, lines()[1])
	w.store = second
	if _, err := w.run(nil).RecoverStore(t.Context(), broker.Why{Reason: "this one goes on"}); err != nil {
		t.Fatal(err)
	}
	w.imported(t, lines()[2])
	w.store = first
	w.refused(t, w.options(), broker.Tampered)
}

func TestRecoverKilledAnywhere(t *testing.T) {
	t.Parallel()
	scenario{
		world: putBack,
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, err := b.RecoverStore(ctx, backupOfMonday)
			return err
		},
		check: func(t *testing.T, w *world) {
			t.Helper()
			if err := w.run(nil).CheckEnrolments(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			missing := 0
			for _, event := range w.events(t) {
				if event == "store.missing" {
					missing++
				}
			}
			if missing != 2 || !slices.Contains(w.events(t), "store.recovered") {
				t.Errorf("on record: %d missing, %s", missing, w.events(t))
			}
			w.auditHolds(t)
		},
		calls: 5,
	}.killEverywhere(t)
}

// An older store is enrolled again only together with a look; killed in between, it stays
// read-only, or ends the same.
func TestEnrolRestoredLooksToo(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, w *world) {
		t.Helper()
		if !w.hasEvent(t, "store.recovered") || !w.hasEvent(t, "store.missing") {
			t.Errorf("the audit tells %q", w.events(t))
		}
		if _, err := w.run(nil).Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) || !strings.Contains(err.Error(), "when the store was recovered") {
			t.Errorf("%v", err)
		}
		w.imported(t, lines()[1])
	}
	w := putBack(t)
	_, out, err := w.run(nil).EnrolRestored(t.Context(), backupOfMonday)
	must(t, err)
	if !out.Older || len(out.Missing) != 2 {
		t.Errorf("%+v", out)
	}
	check(t, w)
	scenario{
		world: putBack, check: check, after: true, calls: 8,
		act: func(ctx context.Context, _ *world, b *broker.Broker) error {
			_, _, err := b.EnrolRestored(ctx, backupOfMonday)
			return err
		},
	}.killEverywhere(t)
	w = putBack(t)
	w.inject = func(call string, _ bool) error {
		if call == "target look" {
			return broker.Denied
		}
		return nil
	}
	if _, _, err := w.run(nil).EnrolRestored(t.Context(), backupOfMonday); !errors.Is(err, broker.Denied) {
		t.Errorf("a target that cannot be asked: %v", err)
	}
	w.inject = nil
	w.refused(t, w.options(), broker.Tampered)
}

// A backup from before a target was enrolled: that target is said, and once it is
// enrolled, looked at too.
func TestRecoverASecondTimeAfterATargetWasEnrolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	old := w.copied(t)
	w.others = []broker.Target{{
		Name: "later", Provider: targetCalled(w, "later", quick()), Environment: "test", Genuine: true,
		Pins: map[string]string{broker.PinAccount: account, "region": "there"},
	}}
	_, err := w.run(nil).EnrolTarget(t.Context(), "later", backupOfMonday)
	must(t, err)
	w.imported(t, only("later"))
	w.store = old
	first, err := w.run(nil).RecoverStore(t.Context(), backupOfMonday)
	must(t, err)
	if !slices.Equal(first.NotLooked, []string{"later"}) || len(first.Missing) != 1 || first.Missing[0].Material == "" {
		t.Errorf("%+v", first)
	}
	if _, err := w.run(nil).Import(t.Context(), only("later")); !errors.Is(err, broker.NotFound) {
		t.Errorf("at a target that is not enrolled: %v", err)
	}
	_, err = w.run(nil).EnrolTarget(t.Context(), "later", backupOfMonday)
	must(t, err)
	second, err := w.run(nil).RecoverStore(t.Context(), backupOfMonday)
	if err != nil || second.Older || len(second.NotLooked) != 0 || len(second.Missing) != 2 {
		t.Errorf("%+v, %v", second, err)
	}
	if _, err := w.run(nil).Import(t.Context(), only("later")); !errors.Is(err, broker.Conflict) {
		t.Errorf("the same import: %v", err)
	}
}

// A backup from before the token's config changed is enrolled and recovered in one.
func TestABackupFromBeforeTheTokenWasEnrolledAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	old := w.copied(t)
	moved := func() *broker.Broker {
		w.run(nil)
		o := w.options()
		o.Token.Pins = map[string]string{"module": "moved"}
		b, err := broker.New(o)
		must(t, err)
		return b
	}
	_, err := moved().EnrolToken(t.Context(), backupOfMonday)
	must(t, err)
	_, err = moved().Import(t.Context(), lines()[0])
	must(t, err)
	w.store = old
	_, err = moved().RecoverStore(t.Context(), backupOfMonday)
	if e, ok := errors.AsType[*broker.Error](err); !ok || !strings.Contains(e.Hint, "keyferry token enrol --environment test --restored --reason …, which recovers") {
		t.Errorf("%+v", err)
	}
	_, out, err := moved().EnrolRestored(t.Context(), backupOfMonday)
	if err != nil || len(out.Missing) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := moved().Import(t.Context(), lines()[0]); !errors.Is(err, broker.Conflict) {
		t.Errorf("the same import: %v", err)
	}
}
