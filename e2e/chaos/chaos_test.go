package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
)

// Variables of a run: how many kills, and the seed that repeats one.
const (
	killsVariable = "KEYFERRY_CHAOS_KILLS"
	seedVariable  = "KEYFERRY_CHAOS_SEED"
)

const usualKills = 200

// The program is killed at every step of an import, at every target, on both sides of
// each commit, and at any moment, while it brings lists of keys to all targets; started
// again until it ends, each key is one version at each target, of one material, and
// there is nothing else.
func TestKills(t *testing.T) {
	t.Parallel()
	seed, kills := number(t, seedVariable, rand.Uint64()), int(number(t, killsVariable, usualKills))
	if kills < len(cells()) {
		t.Fatalf("%s=%d leaves cells of the table empty: there are %d", killsVariable, kills, len(cells()))
	}
	fmt.Printf("make chaos KILLS=%d SEED=%d does the same again\n", kills, seed)
	y := &tally{cells: map[cell]int{}}
	t.Run("worlds", func(t *testing.T) {
		for _, p := range plans(seed, kills) {
			t.Run(fmt.Sprintf("%d-%s", p.n, p.kind), func(t *testing.T) {
				t.Parallel()
				p.run(t, y)
			})
		}
	})
	fmt.Print(y)
	if none := y.empty(); len(none) > 0 {
		t.Errorf("nothing was killed at %v", none)
	}
}

func number(t *testing.T, variable string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func specsOf(kind softtoken.Kind) []string {
	if kind == softtoken.Kryoptic {
		return []string{"aes-256", "hmac-256", "rsa-2048"} // its EC keys do not conform
	}
	return []string{"aes-256", "hmac-256", "ec-p384"}
}

// retains are what becomes of the token's copies, in turn.
func retains() []string { return []string{"token", "wrapped", "sealed", "none"} }

// run does a plan to a world of its own, and judges it.
func (p plan) run(t *testing.T, y *tally) {
	t.Helper()
	begun := time.Now()
	w := newWorld(t, p.kind, p.options)
	l := w.list(t, retains())
	for _, c := range p.cuts {
		for tries := 0; ; tries++ {
			run, killed := w.cut(t, l, c)
			if killed {
				y.killed(c.cell)
				y.restarted()
				break
			}
			l.mustBeDone(t, run.Wait())
			c.delay /= 2 // it was done before
			if tries > 2 {
				t.Fatalf("%+v was never reached", c)
			}
			l = w.list(t, retains())
		}
	}
	l.mustBeDone(t, w.Run(t, l.imports()...))
	f := w.judge(t)
	y.judged(f)
	f.fails(t)
	t.Logf("%d kills and %d keys in %s", len(p.cuts), f.keys, time.Since(begun).Round(time.Second))
}

// mustBeDone: a run that nobody killed has imported all that was left.
func (l list) mustBeDone(t *testing.T, out e2etest.Outcome) {
	t.Helper()
	if count := states(out); out.Code != 0 || count["done"]+count["before"] != len(l.rows) {
		t.Fatalf("%v of %d: %s", count, len(l.rows), out)
	}
}
