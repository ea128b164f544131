package chaos_test

import (
	"math/rand/v2"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// cut is one kill of a plan.
type cut struct {
	cell
	nth   int           // of the calls that fit
	pick  int           // among what reaches the cell
	delay time.Duration // of any moment: after the token was loaded
}

// plan is what is done to one world. It follows from the seed alone; how far a process
// comes until it is killed at any moment does not.
type plan struct {
	n    int
	kind softtoken.Kind
	cuts []cut
}

const (
	cutsOfWorld = 25
	latest      = 1500 * time.Millisecond // of any moment
)

// plans spread so many kills over worlds: at every cell in turn, and after the first turn
// one in four at any moment. A world in four has Kryoptic for its token.
func plans(seed uint64, kills int) []plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]plan, (kills+cutsOfWorld-1)/cutsOfWorld)
	for i := range out {
		out[i] = plan{n: i, kind: softtoken.SoftHSM}
		if i%4 == 3 {
			out[i].kind = softtoken.Kryoptic
		}
	}
	firsts, rest := spread(rng, kills)
	for i, c := range firsts { // in the order in which the steps come, in one world after the other
		at := &out[(i/firstCells())%len(out)]
		at.cuts = append(at.cuts, c)
	}
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for i := range out {
		n := min(cutsOfWorld-len(out[i].cuts), len(rest))
		out[i].cuts, rest = append(out[i].cuts, rest[:n]...), rest[n:]
	}
	return out
}

// spread are the kills: those that must come first in a world, and all others.
func spread(rng *rand.Rand, kills int) (firsts, rest []cut) {
	all := cells()
	for i := range kills {
		c := cut{
			cell: all[i%len(all)], nth: 1 + rng.IntN(3), pick: rng.IntN(1 << 16),
			delay: time.Duration(rng.Int64N(int64(latest))),
		}
		if pass := i / len(all); pass > 0 && (i%4 == 3 || c.first() && pass%4 != 0) {
			c.cell = cell{step: anyMoment}
		}
		if c.first() {
			firsts = append(firsts, c)
		} else {
			rest = append(rest, c)
		}
	}
	return firsts, rest
}

func firstCells() int {
	n := 0
	for _, c := range cells() {
		if c.first() {
			n++
		}
	}
	return n
}
