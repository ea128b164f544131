package main

import (
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// What became of a row of a list.
const (
	rowDone    = "done"    // imported now
	rowBefore  = "before"  // finished before: nothing was done now
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
	op := o.Result.Operation.Operation
	r.State, r.Operation, r.Targets = rowDone, op.ID, op.Targets
	if o.Result.AlreadyDone {
		r.State = rowBefore
	}
}

// keyList is a list of keys: its rows, and the requests of those that can be used.
type keyList struct {
	rows []importedRow
	reqs []broker.ImportRequest
	at   []int        // of each request, its row
	told map[int]bool // rows that were printed when they ended
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
	failed, left := count[rowFailed], count[rowLeft]
	if failed+left == 0 {
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
	if n := count[rowDone]; n > 0 {
		err.Changed = fmt.Sprintf("%d keys were imported", n)
	}
	return &verdict{code, err}
}

// tell is how often a list's progress is told.
const tell = 5 * time.Second

// watch tells how far a list is.
type watch struct {
	p         *program
	begun     time.Time
	told      time.Time
	ended, of int
}

func (s *session) watch(of int) *watch {
	now := s.p.now()
	return &watch{p: s.p, begun: now, told: now, of: of}
}

// one more has ended.
func (w *watch) one(r *importedRow) {
	w.ended++
	now := w.p.now()
	if r.State == rowFailed {
		w.p.say("line %d: key %s: %s", r.Line, r.Key, r.Reason)
	}
	if now.Sub(w.told) < tell {
		return
	}
	w.told = now
	rate := float64(w.ended) / now.Sub(w.begun).Seconds()
	rest := time.Duration(float64(w.of-w.ended) / rate * float64(time.Second)).Round(time.Second)
	w.p.say("%d of %d keys, %.1f a second, about %s left", w.ended, w.of, rate, rest)
}
