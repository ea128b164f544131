package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) activate() *cli.Command {
	return p.command(leaf{
		name: "activate", usage: "give consumers a version that is proven", args: []string{"NAME"},
		about:    "For what was imported with --no-activate or --activate-at. It is proven once more through what consumers use.",
		examples: []string{"keyferry activate staged/db", "keyferry activate staged/db --target aws-test --ticket CHG-17", "keyferry activate staged/db --dry-run"},
		flags: changeFlags(
			targetFlag("only at this target: `NAME`; all if left out"),
			&cli.IntFlag{Name: "number", Usage: "the version: `N`; the newest if left out"},
		),
		run: func(ctx context.Context, c *call) error {
			req := broker.ActivateRequest{Name: c.argument(), Number: c.Int("number"), Target: c.String("target"), Why: c.why()}
			return c.working(ctx, func(s *session) error {
				intended, err := s.broker.PlanActivate(ctx, req)
				if err == nil {
					err = s.sayEarly(ctx, req.Name)
				}
				if err != nil || s.Bool("dry-run") {
					return s.printPlan(intended, err)
				}
				if !intended.Done {
					if err := s.confirm(ctx, "Activate "+req.Name, intendedTargets(intended)...); err != nil {
						return err
					}
				}
				r, err := s.broker.Activate(ctx, req)
				if err != nil {
					return err
				}
				return s.printActivated(intended.Number, r)
			})
		},
	})
}

// sayEarly tells who activates before the time that the import planned.
func (s *session) sayEarly(ctx context.Context, name string) error {
	view, err := s.store.Key(ctx, name)
	if err != nil {
		return err
	}
	at, err := s.plannedActivation(ctx, view)
	if err == nil && at.After(s.p.now()) {
		s.p.say("this is before the time it was planned for, %s", at.UTC().Format(time.RFC3339))
	}
	return err
}

// printActivated: active already, nothing happened that could be shown; the key is.
func (s *session) printActivated(number int, r broker.Result) error {
	if !r.AlreadyDone {
		return s.printResult(r)
	}
	s.p.say("version %d of key %s is active already", number, r.Key.Key.Name)
	return s.print(answer{value: r, tables: keyAnswer(r.Key, s.placementRows(r.Key)).tables})
}

func (s *session) printPlan(in broker.Intended, err error) error {
	if err != nil {
		return err
	}
	return s.print(intendedAnswer(in))
}
