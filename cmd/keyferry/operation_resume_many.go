package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// resumedRow is one of several operations that are gone on with, and what became of it.
type resumedRow struct {
	Operation string               `json:"operation"`
	Key       string               `json:"key"`
	Kind      broker.OperationKind `json:"kind"`
	State     string               `json:"state"`
	Targets   []string             `json:"targets"`
	Reason    string               `json:"reason"`
	Do        string               `json:"do" table:"-"` // about the reason
}

// whichToResume: names, or one of the flags.
func (c *call) whichToResume() error {
	ways := 0
	for _, given := range []bool{c.Args().Len() > 0, c.Bool("failed"), c.Bool("all")} {
		if given {
			ways++
		}
	}
	switch n := c.Int("at-once"); {
	case ways != 1:
		return misuse("operation resume: give the IDs of operations, --failed or --all, one of them")
	case n < 1 || n > 256:
		return misuse("--at-once: %d is not within 1 and 256", n)
	}
	return nil
}

// toResume are the operations that were asked for, the oldest first.
func (s *session) toResume(ctx context.Context) ([]resumedRow, error) {
	var views []broker.OperationView
	for _, id := range s.Args().Slice() {
		o, err := s.store.Operation(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("resume operation %s: %w", id, err)
		}
		if slices.ContainsFunc(views, func(v broker.OperationView) bool { return v.Operation.ID == o.Operation.ID }) {
			return nil, misuse("operation resume: %s is named twice", id)
		}
		views = append(views, o)
	}
	if s.Args().Len() == 0 {
		states := []broker.OperationState{broker.Failed}
		if s.Bool("all") {
			states = append(states, broker.Running, broker.UndecidedState)
		}
		for o, err := range s.store.Operations(ctx, broker.OperationFilter{States: states}) {
			if err != nil {
				return nil, err
			}
			views = append(views, o)
		}
		slices.Reverse(views)
	}
	rows := make([]resumedRow, len(views))
	for i, v := range views {
		o := v.Operation
		rows[i] = resumedRow{Operation: o.ID, Key: o.KeyName, Kind: o.Kind, State: rowLeft, Targets: o.Targets}
	}
	return rows, nil
}

// planResumes says of each how far it came, and touches nothing.
func (s *session) planResumes(ctx context.Context) error {
	rows, err := s.toResume(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		o, err := s.store.Operation(ctx, rows[i].Operation)
		if err != nil {
			return err
		}
		rows[i].State, rows[i].Reason = rowPlanned, o.Operation.Problem
		if !o.Operation.State.Open() {
			rows[i].State = rowBefore
		}
		if err := o.Resumable(); err != nil {
			rows[i].failed(err)
		}
	}
	return s.print(answer{value: rows})
}

func (r *resumedRow) failed(err error) {
	r.State, r.Reason, r.Do = rowFailed, whatHappened(err), hintFor(err, "keyferry operation resume")
}

func (s *session) resumeMany(ctx context.Context) error {
	rows, err := s.toResume(ctx)
	if err != nil {
		return err
	}
	ids, targets := make([]string, len(rows)), []string{}
	for i, r := range rows {
		ids[i], targets = r.Operation, append(targets, r.Targets...)
	}
	slices.Sort(targets)
	if err := s.confirm(ctx, fmt.Sprintf("Resume %d operations", len(rows)), slices.Compact(targets)...); err != nil {
		return err
	}
	lines := s.String("output") == "jsonl"
	for o := range s.broker.ResumeEach(ctx, ids, s.Int("at-once")) {
		row := &rows[o.Index]
		row.ended(o)
		if row.State == rowFailed {
			s.p.say("operation %s of key %s: %s", row.Operation, row.Key, row.Reason)
		}
		if lines {
			if err := s.print(answer{value: *row}); err != nil {
				return err
			}
		}
	}
	rest := rows
	if lines { // those that ended were told of
		rest = slices.DeleteFunc(slices.Clone(rows), func(r resumedRow) bool { return r.State != rowLeft })
	}
	if !lines || len(rest) > 0 {
		if err := s.print(answer{value: rest}); err != nil {
			return err
		}
	}
	return resumedVerdict(rows)
}

func (r *resumedRow) ended(o broker.Outcome) {
	r.State = rowDone
	switch {
	case o.Err != nil:
		r.failed(o.Err)
	case o.Result.AlreadyDone:
		r.State = rowBefore
	}
}

// resumedVerdict is nil where all of them are finished.
func resumedVerdict(rows []resumedRow) error {
	count := map[string]int{}
	for _, r := range rows {
		count[r.State]++
	}
	failed, left := count[rowFailed], count[rowLeft]
	if failed+left == 0 {
		return nil
	}
	code := exitPartly
	if failed == len(rows) {
		code = exitFailed
	}
	err := &broker.Error{
		Kind: broker.Rejected, Op: "resume operations", Cause: fmt.Errorf("%d of %d failed, %d were not begun", failed, len(rows), left),
		Hint: "the reason of each is in its row, and in keyferry operation list --failed",
	}
	if n := count[rowDone]; n > 0 {
		err.Changed = fmt.Sprintf("%d operations were finished", n)
	}
	return &verdict{code, err}
}
