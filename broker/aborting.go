package broker

import (
	"errors"
	"slices"
)

// Aborting is the standing of an operation of which some was taken back, and not all.
// It is in no store: the effects on record tell it, whatever state the operation ended in.
const Aborting OperationState = "aborting"

// Standing is how an operation is shown: its state, or Aborting.
func (o OperationView) Standing() OperationState {
	begun := slices.ContainsFunc(o.Effects, func(r EffectRecord) bool { return r.Effect.Step == StepAbandon })
	if begun && o.Operation.State != Abandoned {
		return Aborting
	}
	return o.Operation.State
}

// Resumable is a Conflict for an operation that is being taken back: only its abort
// goes on.
func (o OperationView) Resumable() error {
	if o.Standing() != Aborting {
		return nil
	}
	return &Error{
		Kind: Conflict, Op: "go on with", Object: "operation " + o.Operation.ID,
		Cause: errors.New("it is being taken back"), Hint: FinishAbort(o.Operation.ID),
	}
}

// FinishAbort is the advice for an operation that is being taken back.
func FinishAbort(id string) string {
	return "keyferry operation abort " + id + " --reason … finishes that"
}
