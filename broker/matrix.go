package broker

import "errors"

// matrix says for each key spec, target and purpose by which plan a key under no policy
// goes there, or why not: what its import says.
func (d *Diagnosis) matrix(targets []Target, enrolled []Enrolment) {
	for _, spec := range KeySpecs() {
		for _, t := range targets {
			e, _ := find(enrolled, EnrolTarget, t.Name)
			d.Matrix = append(d.Matrix, d.cells(spec, t, e)...)
		}
	}
}

// cells of a spec at a target: one for each purpose that it takes, or one that says why
// it takes none.
func (d *Diagnosis) cells(spec KeySpec, t Target, e Enrolment) []Cell {
	caps, usual := t.Provider.Capabilities(), spec.Purposes()[0]
	purposes := caps.Purposes(spec)
	plan, err := choose(spec, caps, d.Plans, Policy{})
	if err == nil {
		err = t.takes(spec, first(purposes...), Policy{})
	}
	if err != nil {
		return []Cell{{Spec: spec, Target: t.Name, Reason: reasonOf(err)}}
	}
	var cells []Cell
	for _, purpose := range purposes {
		cell := Cell{Spec: spec, Target: t.Name, Mechanism: plan.Mechanism, Way: plan.Way}
		cell.Proof, _ = levelAt(t, caps, e, Key{Spec: spec, Purpose: purpose})
		if purpose != usual {
			cell.Purpose = purpose
		}
		cells = append(cells, cell)
	}
	return cells
}

// reasonOf is an error's cause without what the matrix shows anyway; of many
// reasons the nearest: the plans have the others.
func reasonOf(err error) string {
	if r, ok := errors.AsType[refusals](err); ok {
		return r.nearest()
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Cause != nil {
		return e.Cause.Error()
	}
	return err.Error()
}
