package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) renew() *cli.Command {
	return p.command(leaf{
		name: "renew", usage: "import the same material again, with another end or the one it has", args: []string{"NAME"},
		about:    "Also after the provider's copy expired or was deleted, where it can come again: at AWS and Google. The material comes from the token, which must still have it. At Azure only the end moves.",
		examples: []string{"keyferry renew payments/db", "keyferry renew payments/db --valid-to 90d", "keyferry renew payments/db --no-end --reason 'it rotates by hand now'", "keyferry renew payments/db --valid-to 2w --dry-run"},
		flags: changeFlags(
			targetFlag("only at this target: `NAME`; all if left out"),
			&cli.IntFlag{Name: "number", Usage: "the version: `N`; the active one, or the newest, if left out"},
			&cli.StringFlag{Name: "valid-to", Usage: "the new end: `TIME` (2027-01-31, 2027-01-31T12:00:00Z or 90d); the one it has if left out"},
			&cli.BoolFlag{Name: "no-end", Usage: "it does not end"},
		),
		run: func(ctx context.Context, c *call) error {
			req, err := c.renewRequest()
			if err != nil {
				return err
			}
			return c.working(ctx, func(s *session) error {
				intended, err := s.broker.PlanRenew(ctx, req)
				if err != nil || s.Bool("dry-run") {
					return s.printPlan(intended, err)
				}
				if err := s.confirm(ctx, "Renew "+req.Name, intendedTargets(intended)...); err != nil {
					return err
				}
				r, err := s.broker.Renew(ctx, req)
				if err != nil {
					return err
				}
				return s.printResult(r)
			})
		},
	})
}

func (c *call) renewRequest() (broker.RenewRequest, error) {
	req := broker.RenewRequest{Name: c.argument(), Number: c.Int("number"), Target: c.String("target"), Why: c.why()}
	if c.String("valid-to") != "" && c.Bool("no-end") {
		return req, misuse("renew %s: give --valid-to TIME or --no-end, not both", req.Name)
	}
	req.KeepEnd = c.String("valid-to") == "" && !c.Bool("no-end")
	var err error
	req.ValidTo, err = c.when("valid-to")
	req.FromNow = c.fromNow("valid-to")
	return req, err
}
