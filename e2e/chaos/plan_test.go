package chaos_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// cut is one kill of a plan.
type cut struct {
	cell
	nth   int           // of the calls that fit
	pick  int           // among what reaches the cell
	delay time.Duration // of any moment: after the login
}

// plan is what is done to one world. It follows from the seed alone; how far a process
// comes until it is killed at any moment does not.
type plan struct {
	n       int
	kind    softtoken.Kind
	options options
	cuts    []cut
}

const (
	cutsOfWorld = 25
	latest      = 1500 * time.Millisecond // of any moment
)

// plans spread so many kills over worlds: at every cell in turn, and after the first turn
// one in four at any moment. A world in four has Kryoptic for its
// token, and in another what was changed is seen late.
func plans(seed uint64, kills int) []plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]plan, (kills+cutsOfWorld-1)/cutsOfWorld)
	for i := range out {
		out[i] = plan{n: i, kind: softtoken.SoftHSM}
		switch i % 4 {
		case 1:
			out[i].options = options{settle: "4s", lag: 0.7}
		case 3:
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
		out[i].cuts, rest = append(out[i].cuts, inTurns(rest[:n])...), rest[n:]
	}
	return out
}

// inTurns brings kills into an order in which few lists are used up: the steps by which
// all keys of a list are brought, and then those after, and so again.
func inTurns(cuts []cut) []cut {
	const turn = 10
	for some := range slices.Chunk(cuts, turn) {
		slices.SortStableFunc(some, func(a, b cut) int { return cmp.Compare(a.phase(), b.phase()) })
	}
	return cuts
}

// phase is 0 of what happens to every key before anything else happens to one, and 1 of
// the rest.
func (c cut) phase() int {
	switch c.step {
	case "prove", "activate", "finish":
		return 1
	case anyMoment:
		return c.pick % 2
	default:
		return 0
	}
}

// spread are the kills: those that must come first in a world, and all others.
func spread(rng *rand.Rand, kills int) (firsts, rest []cut) {
	all := cells()
	for i := range kills {
		c := cut{
			cell: all[i%len(all)], nth: 1 + rng.IntN(2), pick: rng.IntN(1 << 16),
			delay: time.Duration(rng.Int64N(int64(latest))),
		}
		pass := i / len(all)
		if c.first() && pass%4 != 0 || !c.first() && pass > 0 && (i+pass)%4 == 3 {
			c.cell = cell{step: anyMoment}
		}
		if c.phase() > 0 {
			c.nth = 1 // what is proven or given to consumers is soon used up
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
