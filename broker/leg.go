package broker

import "slices"

// leg is a part of an import, so that many can be brought side by side: at each
// target as fast as that one goes, and with the proofs that take a target's scarcest
// calls after everything was brought. Zero is all of it.
type leg struct {
	only   string // the one target to stage at; "" all
	later  bool   // a proof that imports again is left for a later leg
	many   bool   // it is one of many: the token is told of their ends together
	parked bool   // an earlier leg of this process ended in order: nothing was done that is not on record
}

// at reports whether the leg stages at a place.
func (g leg) at(p *place) bool { return g.only == "" || g.only == p.target.Name }

// targets are those that the leg asks anything of.
func (g leg) targets(all []Target) []Target {
	if g.only == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(t Target) bool { return t.Name != g.only })
}

// parks reports whether the leg ends before consumers are given anything: the line
// stays unfinished on record, where its next leg, or a restart, takes it up.
func (l *line) parks() bool {
	return l.leg.only != "" || slices.ContainsFunc(l.places, l.provesLater)
}

// provesLater: the version waits for a proof that is a write, where consumers cannot
// use it meanwhile.
func (l *line) provesLater(p *place) bool {
	if !l.leg.later || p.placement.Step != PlacementStaged || l.hidable(p) {
		return false
	}
	level, _ := l.proofLevel(p)
	return level == ProofReimport
}
