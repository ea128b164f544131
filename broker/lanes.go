package broker

import (
	"slices"
	"strings"
)

// givesUpAfter times as many keys as are under way at once fail in a row because a target
// does not answer: then those that were not begun are left alone.
const givesUpAfter = 2

// lane is what waits for the same targets; so many of it are under way at once.
type lane struct {
	targets string
	stages  bool    // it brings material, and leaves the proofs that import again for later
	after   []*lane // nothing of it begins before these are empty
	waits   []int   // rows
	flying  int
	failed  int // in a row, because a target does not answer
}

// stagesOf are the lanes that bring a key to its targets: one for each, but where a
// target's key is a replica of another's, and where nothing is known of the request.
func (s *bulk) stagesOf(req ImportRequest) []*lane {
	w, err := s.b.resolve(req)
	names := targetNames(w.targets)
	replicas := slices.ContainsFunc(w.targets, func(t Target) bool { return t.ReplicaOf != "" })
	if err != nil || replicas || len(names) == 0 {
		return []*lane{s.lane("stage", names, nil)}
	}
	lanes := make([]*lane, 0, len(names))
	for _, name := range names {
		lanes = append(lanes, s.lane("stage", []string{name}, nil))
	}
	return lanes
}

// lastOf is the lane of a row that was brought everywhere.
func (s *bulk) lastOf(r *bulkRow) *lane {
	var names []string
	for _, l := range r.stages {
		names = append(names, l.targets)
	}
	if r.late {
		return s.lane("prove", names, r.stages)
	}
	return s.lane("end", names, nil)
}

// lane is made when it is first needed.
func (s *bulk) lane(kind string, targets []string, after []*lane) *lane {
	l := &lane{targets: strings.Join(targets, " "), stages: kind == "stage", after: after}
	name := kind + " " + l.targets
	if s.named[name] == nil {
		s.named[name] = l
		s.lanes = append(s.lanes, l)
	}
	return s.named[name]
}

// leg is what a lane does for a row.
func (s *bulk) leg(l *lane, r *bulkRow) leg {
	part := leg{later: l.stages, many: true, parked: r.parked}
	if l.stages && len(r.stages) > 1 {
		part.only = l.targets
	}
	return part
}

func (l *lane) open() bool {
	return !slices.ContainsFunc(l.after, func(o *lane) bool { return len(o.waits) > 0 || o.flying > 0 })
}

func (l *lane) drop(i int) { l.waits = slices.Delete(l.waits, i, i+1) }

// answered counts the failures in a row that say that a target does not answer.
func (l *lane) answered(err error) int {
	if l.failed++; !passing(err) {
		l.failed = 0
	}
	return l.failed
}

// passing: the target may answer later, and nothing else is wrong.
func passing(err error) bool {
	if err == nil {
		return false
	}
	k := KindOf(err)
	return k == Unavailable || k == Throttled
}

// parked reports whether an import waits for its next leg.
func (r Result) parked() bool { return r.Operation.Operation.State == Running }

// waitsForProof: something was brought, and not proven.
func (r Result) waitsForProof() bool {
	return slices.ContainsFunc(r.Key.Placements, func(p Placement) bool { return p.Step == PlacementStaged })
}
