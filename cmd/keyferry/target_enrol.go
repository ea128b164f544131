package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) targetEnrol() *cli.Command {
	return p.command(leaf{
		name: "enrol", usage: "pin what a target is, under the token's seal", args: []string{"NAME"},
		about: "The provider is asked for the account, which must be the config's. At an endpoint that is not the\n" +
			"provider's own, a throwaway key shows whether other material would be refused, and is deleted again.",
		examples: []string{"keyferry target enrol aws-test", "keyferry target enrol aws-test --dry-run"},
		flags:    changeFlags(),
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.enrolTarget(ctx, c.argument()) })
		},
	})
}

func (s *session) enrolTarget(ctx context.Context, name string) error {
	t, ok := s.config.Target(name)
	if !ok {
		return noTarget(s.config, name)
	}
	if s.Bool("dry-run") {
		pins, err := pinsNow(t)
		if err != nil {
			return err
		}
		e := broker.Enrolment{Kind: broker.EnrolTarget, Name: name, Environment: t.Environment, Pins: pins}
		s.p.say("a dry run: nobody was asked and nothing was enrolled; these fields would be held")
		return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
	}
	if err := s.confirm(ctx, "Enrol target "+name, name); err != nil {
		return err
	}
	e, err := s.broker.EnrolTarget(ctx, name, s.why())
	if err != nil {
		return err
	}
	return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
}
