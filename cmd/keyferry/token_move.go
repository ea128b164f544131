package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) tokenMove() *cli.Command {
	return p.command(leaf{
		name: "move", usage: "change over where material is kept: as an object of the token, or wrapped in the store", args: []string{"NAME", "[NAME…]"},
		about: "The material stays the same, and is compared inside the token before it goes from where it was. Nothing is sent\n" +
			"to a provider. Interrupted, it ends in one place when run again. Of several keys, one that fails holds no other up.",
		examples: []string{
			"keyferry token move payments/db --to wrapped --reason 'the partition is full'", "keyferry token move payments/db signing/release --to wrapped --dry-run",
			"keyferry token move kept/db --to token --output json",
		},
		flags: changeFlags(&cli.StringFlag{Name: "to", Usage: "`WHERE` it is kept from now on: wrapped, token"}),
		run: func(ctx context.Context, c *call) error {
			to, err := choice(c, "to", []broker.Retain{broker.RetainWrapped, broker.RetainToken})
			switch {
			case err != nil:
				return err
			case to == "":
				return misuse("token move: give --to wrapped or --to token")
			}
			return c.working(ctx, func(s *session) error { return s.moveKeys(ctx, to) })
		},
	})
}

func (s *session) moveKeys(ctx context.Context, to broker.Retain) error {
	names := s.Args().Slice()
	move := s.broker.Move
	if s.Bool("dry-run") {
		s.p.say("a dry run: nothing was moved")
		move = s.broker.PlanMove
	} else if err := s.confirm(ctx, fmt.Sprintf("Move the material of %d keys to %s", len(names), to)); err != nil {
		return err
	}
	rows := []broker.Moved{}
	var faults []error
	for _, name := range names {
		moved, err := move(ctx, broker.MoveRequest{Name: name, To: to, Why: s.why()})
		rows = append(rows, moved...)
		if err != nil {
			faults = append(faults, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(faults) == len(names) {
		return errors.Join(faults...)
	}
	if err := s.print(answer{value: rows, tables: []any{rows}}); err != nil || len(faults) == 0 {
		return err
	}
	return &verdict{exitPartly, errors.Join(faults...)}
}
