package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) operationResume() *cli.Command {
	return p.command(leaf{
		name: "resume", usage: "go on with an operation from wherever it stands", args: []string{"ID"},
		about:    "Also with an undecided one: it looks again. A finished one is left as it is, and one that is being taken back goes on with its abort alone.",
		examples: []string{"keyferry operation resume " + exampleID, "keyferry operation resume " + exampleID + " --dry-run"},
		flags:    changeFlags(),
		run: func(ctx context.Context, c *call) error {
			if c.Bool("dry-run") {
				return c.reading(ctx, func(s *session) error { return s.planResume(ctx) })
			}
			return c.working(ctx, func(s *session) error { return s.resume(ctx) })
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
