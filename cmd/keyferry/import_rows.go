package main

import (
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// What became of a row of a list.
const (
	rowDone    = "done"    // imported now
	rowBefore  = "before"  // finished before: nothing was done now
	rowBegun   = "begun"   // under way: brought somewhere, or not proven yet
	rowFailed  = "failed"  // see the reason
	rowLeft    = "left"    // not begun
	rowPlanned = "planned" // of a dry run
)

// importedRow is one row of a list of keys, and what became of it.
type importedRow struct {
	Line      int      `json:"line"`
	Key       string   `json:"key"`
	State     string   `json:"state"`
	Targets   []string `json:"targets"`
	Operation string   `json:"operation"`
	Reason    string   `json:"reason"`
	Do        string   `json:"do" table:"-"` // about the reason
}

func (r *importedRow) failed(err error) {
	r.State, r.Reason, r.Do = rowFailed, whatHappened(err), hintFor(err, "keyferry import file")
}

func (r *importedRow) ended(o broker.Outcome) {
	if o.Err != nil {
		r.failed(o.Err)
		return
	}
	r.State = rowDone
	switch {
	case o.Begun:
		r.State = rowBegun
	case o.Result.AlreadyDone:
		r.State = rowBefore
	}
	if op := o.Result.Operation.Operation; op.ID != "" {
		r.Operation, r.Targets = op.ID, op.Targets
	}
}

// keyList is a list of keys: its rows, and the requests of those that can be used.
type keyList struct {
	rows []importedRow
	reqs []broker.ImportRequest
	at   []int  // of each request, its row
	told []bool // rows that were printed when they ended: of them only the state is kept
}

// tell prints a row that has ended, and lets go of it: a list may be long.
func (l *keyList) tell(c *call, i int) error {
	if err := c.print(answer{value: l.rows[i]}); err != nil {
		return err
	}
	l.rows[i], l.told[i] = importedRow{State: l.rows[i].State}, true
	return nil
}

// answer prints what became of the rows, and ends as they did.
func (l *keyList) answer(c *call) error {
	var rest []importedRow
	count := map[string]int{}
	for i, r := range l.rows {
		count[r.State]++
		if !l.told[i] {
			rest = append(rest, r)
		}
	}
	if len(rest) > 0 {
		if err := c.print(answer{value: rest}); err != nil {
			return err
		}
	}
	return l.verdict(count)
}

// verdict is nil where all is as it was asked.
func (l *keyList) verdict(count map[string]int) error {
	failed, left, begun := count[rowFailed], count[rowLeft], count[rowBegun]
	if failed+left+begun == 0 {
		return nil
	}
	code := exitPartly
	if failed == len(l.rows) {
		code = exitFailed
	}
	err := &broker.Error{
		Kind: broker.Rejected, Op: "import file", Cause: fmt.Errorf("%d of %d keys failed, %d were not begun", failed, len(l.rows), left),
		Hint: "the reason of each is in its row; the same command does only what is missing",
	}
	if begun > 0 {
		err.Cause = fmt.Errorf("%w, %d are under way and not proven everywhere", err.Cause, begun)
	}
	if n := count[rowDone]; n > 0 {
		err.Changed = fmt.Sprintf("%d keys were imported", n)
	}
	return &verdict{code, err}
}
