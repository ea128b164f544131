package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) operationResume() *cli.Command {
	return p.command(leaf{
		name: "resume", usage: "go on with operations from wherever they stand", args: []string{"[ID…]"},
		about: "Also with an undecided one: it looks again. A finished one is left as it is, and one that is being taken back goes on with its abort alone.\n" +
			"Of several, one that fails holds no other up. Interrupted, it finishes what is under way. It ends with 3 where some are not finished.",
		examples: []string{
			"keyferry operation resume " + exampleID, "keyferry operation resume " + exampleID + " --dry-run",
			"keyferry operation resume --failed --at-once 16 --output jsonl", "keyferry operation resume --all --dry-run",
		},
		flags: changeFlags(
			&cli.BoolFlag{Name: "failed", Usage: "all that failed"},
			&cli.BoolFlag{Name: "all", Usage: "all that are not finished, undecided ones too"},
			&cli.IntFlag{Name: "at-once", Value: 8, Usage: "so many of several at a time: `N`"},
		),
		run: func(ctx context.Context, c *call) error {
			if err := c.whichToResume(); err != nil {
				return err
			}
			one := c.Args().Len() == 1
			switch {
			case c.Bool("dry-run") && one:
				return c.reading(ctx, func(s *session) error { return s.planResume(ctx) })
			case c.Bool("dry-run"):
				return c.reading(ctx, func(s *session) error { return s.planResumes(ctx) })
			case one:
				return c.working(ctx, func(s *session) error { return s.resume(ctx) })
			default:
				return c.working(ctx, func(s *session) error { return s.resumeMany(ctx) })
			}
		},
	})
}

// planResume shows how far the operation came: the rest is what would be done.
func (s *session) planResume(ctx context.Context) error {
	o, err := s.store.Operation(ctx, s.argument())
	if err != nil {
		return fmt.Errorf("resume operation %s: %w", s.argument(), err)
	}
	if err := o.Resumable(); err != nil {
		return err
	}
	if o.Operation.State.Open() {
		s.p.say("it would go on after the effects below")
	} else {
		s.p.say("it is %s: there is nothing to do", o.Operation.State)
	}
	return s.print(answer{value: o, tables: []any{facts(operationRowOf(o.Operation)), effectRows(o)}})
}

func (s *session) resume(ctx context.Context) error {
	o, err := s.store.Operation(ctx, s.argument())
	if err != nil {
		return fmt.Errorf("resume operation %s: %w", s.argument(), err)
	}
	if err := o.Resumable(); err != nil {
		return err
	}
	if o.Operation.State.Open() {
		what := fmt.Sprintf("Resume %s of %s", o.Operation.Kind, o.Operation.KeyName)
		if err := s.confirm(ctx, what, o.Operation.Targets...); err != nil {
			return err
		}
	}
	r, err := s.broker.Resume(ctx, o.Operation.ID)
	if err != nil {
		return err
	}
	return s.printResult(r)
}
