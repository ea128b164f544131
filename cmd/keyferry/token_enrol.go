package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// enrolmentRow is an enrolment in a table, or what would be enrolled.
type enrolmentRow struct {
	Kind        broker.EnrolmentKind `json:"kind"`
	Name        string               `json:"name"`
	Environment string               `json:"environment"`
	TokenSerial string               `json:"token_serial"`
	Pins        map[string]string    `json:"pins"`
	Findings    map[string]string    `json:"findings"`
}

func enrolmentFacts(e broker.Enrolment) []fact {
	return facts(enrolmentRow{Kind: e.Kind, Name: e.Name, Environment: e.Environment, TokenSerial: e.TokenSerial, Pins: e.Pins, Findings: e.Findings})
}

func (p *program) tokenEnrol() *cli.Command {
	return p.command(leaf{
		name: "enrol", usage: "give the token its seal key, for one environment for ever",
		about: "The seal key authenticates the broker's records. Material never crosses environments, so the\n" +
			"environment is named here as well as in the config. Enrol again after a change of the token's config.\n" +
			"A store that was restored from an older backup is refused until --restored says, with a reason, that it is\n" +
			"the newest there is; keyferry inventory --orphans then lists what was done since.",
		examples: []string{
			"keyferry token enrol --environment test", "keyferry token enrol --environment test --dry-run",
			"keyferry token enrol --environment test --restored --reason 'disk lost, backup of Monday' --dry-run",
		},
		flags: changeFlags(
			&cli.StringFlag{Name: "environment", Usage: "the token's environment, as in the config: `NAME`"},
			&cli.BoolFlag{Name: "restored", Usage: "the store is older than the token remembers, and is the newest there is; needs --reason"},
		),
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.enrolToken(ctx) })
		},
	})
}

func (s *session) enrolToken(ctx context.Context) error {
	want := s.config.Token.Environment
	if got := s.String("environment"); got != want {
		return misuse("enrol token %s: --environment is %q, the config says %q; both must name the same", s.config.Token.Name, got, want)
	}
	if s.Bool("dry-run") {
		info, err := s.token.Info(ctx)
		if err != nil {
			return err
		}
		e := broker.Enrolment{
			Kind: broker.EnrolToken, Name: s.config.Token.Name, Environment: want, TokenSerial: info.Serial, Pins: tokenPins(s.config.Token),
		}
		return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
	}
	if err := s.confirm(ctx, "Enrol token "+s.config.Token.Name); err != nil {
		return err
	}
	enrol := s.broker.EnrolToken
	if s.Bool("restored") {
		enrol = s.broker.EnrolRestored
	}
	e, err := enrol(ctx, s.why())
	if err != nil {
		return err
	}
	return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
}
