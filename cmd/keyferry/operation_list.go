package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) operationList() *cli.Command {
	return p.command(leaf{
		name: "list", usage: "list operations, newest first",
		examples: []string{"keyferry operation list --unfinished", "keyferry operation list --failed --output jsonl", "keyferry operation list --key payments/db --output json", "keyferry operation list --state failed --limit 10"},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "only of this key: `NAME`"},
			&cli.StringFlag{Name: "state", Usage: "only in this `STATE`: running, finished, failed, undecided, aborting, abandoned"},
			&cli.BoolFlag{Name: "failed", Usage: "only those that failed, with the reason of each"},
			&cli.BoolFlag{Name: "unfinished", Usage: "only running, failed and undecided ones, and those whose abort did not finish"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`; all if left out"},
		},
		run: func(ctx context.Context, c *call) error {
			filter, err := c.operationFilter()
			if err != nil {
				return err
			}
			return c.reading(ctx, func(s *session) error {
				rows := []operationRow{}
				for o, err := range s.store.Operations(ctx, filter) {
					if err != nil {
						return err
					}
					rows = append(rows, viewRowOf(o))
				}
				return c.print(answer{value: rows})
			})
		},
	})
}

func (c *call) operationFilter() (broker.OperationFilter, error) {
	f := broker.OperationFilter{KeyName: c.String("key"), Limit: c.Int("limit")}
	state, err := choice(c, "state", standings())
	switch {
	case err != nil:
		return f, err
	case f.Limit < 0:
		return f, misuse("--limit: %d is less than nothing", f.Limit)
	case state != "" && (c.Bool("unfinished") || c.Bool("failed")), c.Bool("unfinished") && c.Bool("failed"):
		return f, misuse("--state, --failed and --unfinished exclude each other")
	case c.Bool("failed"):
		f.States = []broker.OperationState{broker.Failed}
	case state != "":
		f.States = []broker.OperationState{state}
	case c.Bool("unfinished"):
		for _, s := range standings() {
			if s.Open() {
				f.States = append(f.States, s)
			}
		}
	}
	return f, nil
}

// standings are the states that an operation is shown in.
func standings() []broker.OperationState { return append(broker.OperationStates(), broker.Aborting) }

// viewRowOf is an operation's row as it stands, with what to do where only its abort
// goes on.
func viewRowOf(o broker.OperationView) operationRow {
	r := operationRowOf(standing(o).Operation)
	if r.State == broker.Aborting {
		r.Problem = "it is being taken back: " + broker.FinishAbort(r.ID)
	}
	return r
}

// standing is the view with its standing for its state: an abort that stopped midway is
// not hidden behind how the operation ended.
func standing(o broker.OperationView) broker.OperationView {
	o.Operation.State = o.Standing()
	return o
}
