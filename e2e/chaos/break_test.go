package chaos_test

import (
	"sync"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// writes are the calls that change something at each cloud, in the order of a line; those
// that are made once come first.
func writes() map[string][]string {
	return map[string][]string{
		"aws":   {"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias"},
		"gcp":   {"CreateImportJob", "CreateCryptoKey", "ImportCryptoKeyVersion", "UpdateCryptoKeyPrimaryVersion"},
		"azure": {"CreateKey", "ImportKey", "UpdateKey"},
	}
}

// everywhere has a rule at every changing call of every cloud, for each of the nths.
func everywhere(rule faults.Rule, nths ...int) func(*testing.T, *world) (heal func()) {
	return func(t *testing.T, w *world) func() {
		t.Helper()
		for cloud, admin := range w.Admins() {
			for _, action := range writes()[cloud] {
				for _, nth := range nths {
					r := rule
					r.Match.Action, r.Nth = action, nth
					_, err := admin.Add(t.Context(), r)
					fatal(t, err)
				}
			}
		}
		return letGo(t, w)
	}
}

// anyCall has a rule for calls of every cloud, whatever they are: one in so many.
func anyCall(rule faults.Rule, of int) func(*testing.T, *world) (heal func()) {
	const often = 12
	return func(t *testing.T, w *world) func() {
		t.Helper()
		for _, admin := range w.Admins() {
			for i := range often {
				r := rule
				r.Nth = 1 + i*of
				_, err := admin.Add(t.Context(), r)
				fatal(t, err)
				if r.Count < 0 {
					break
				}
			}
		}
		return letGo(t, w)
	}
}

// healed lets go whatever is held or late, until it has committed, and takes out every
// rule.
func (w *world) healed(t *testing.T) {
	t.Helper()
	for _, admin := range w.Admins() {
		rules, err := admin.Rules(t.Context())
		check(t, err)
		for _, r := range rules {
			check(t, admin.Release(t.Context(), r.ID))
		}
		check(t, admin.Remove(t.Context(), ""))
	}
}

// clock puts an emulator's clock so far ahead.
func (w *world) clock(t *testing.T, cloud string, ahead time.Duration) {
	t.Helper()
	_, err := w.Admins()[cloud].SetOffset(t.Context(), ahead)
	check(t, err)
}

// meanwhile does something again and again until it is healed: off for a while, and on
// for a while.
func meanwhile(on, off func(), onFor, offFor time.Duration) (heal func()) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			for i, do := range []func(){off, on} {
				do()
				select {
				case <-stop:
					off()
					return
				case <-time.After([]time.Duration{offFor, onFor}[i]):
				}
			}
		}
	})
	return func() {
		close(stop)
		done.Wait()
	}
}

// importsAtGoogle loses the answer of every import there: some are of keys that nothing
// tells from others.
func importsAtGoogle(t *testing.T, w *world) (heal func()) {
	t.Helper()
	_, err := w.Admins()["gcp"].Add(t.Context(), faults.Rule{
		Kind: faults.Drop, When: faults.After, Count: rowsOfList, Match: faults.Match{Action: "ImportCryptoKeyVersion"},
	})
	fatal(t, err)
	return letGo(t, w)
}

// together breaks in several ways.
func together(ways ...func(*testing.T, *world) func()) func(*testing.T, *world) (heal func()) {
	return func(t *testing.T, w *world) func() {
		t.Helper()
		var heals []func()
		for _, way := range ways {
			heals = append(heals, way(t, w))
		}
		return func() {
			for _, heal := range heals {
				heal()
			}
		}
	}
}
