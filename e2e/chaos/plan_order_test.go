package chaos_test

import (
	"slices"
	"testing"
)

// A seed is a plan: the same again, with every cell in it, and as many kills as asked for.
func TestSeedIsThePlan(t *testing.T) {
	t.Parallel()
	for _, kills := range []int{len(cells()), usualKills, 1000} {
		one, again, other := cutsOf(plans(7, kills)), cutsOf(plans(7, kills)), cutsOf(plans(8, kills))
		if !slices.Equal(one, again) || slices.Equal(one, other) || len(one) != kills {
			t.Errorf("%d kills: %d, the same again %t, another seed the same %t", kills, len(one), slices.Equal(one, again), slices.Equal(one, other))
		}
		for _, c := range cells() {
			if !slices.ContainsFunc(one, func(k cut) bool { return k.cell == c }) {
				t.Errorf("%d kills: none at %v", kills, c)
			}
		}
	}
}

// What is made once is cut first in a world, in the order in which it is made: later it
// is there, and is not made again.
func TestWhatIsMadeOnceIsCutFirst(t *testing.T) {
	t.Parallel()
	for _, kills := range []int{len(cells()), usualKills, 500, 1000} {
		for _, p := range plans(7, kills) {
			before := -1
			for i, c := range p.cuts {
				at := slices.Index(cells(), c.cell)
				if c.first() && (i > 0 && !p.cuts[i-1].first() || at <= before) {
					t.Errorf("%d kills, world %d: %+v is number %d", kills, p.n, c, i)
				}
				before = at
			}
		}
	}
}

func cutsOf(all []plan) (cuts []cut) {
	for _, p := range all {
		cuts = append(cuts, p.cuts...)
	}
	return cuts
}
