package main

import (
	"context"
	"fmt"

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
	shown := map[string]string{}
	for field, pin := range e.Pins {
		shown[field] = broker.ShownPin(pin)
	}
	return facts(enrolmentRow{Kind: e.Kind, Name: e.Name, Environment: e.Environment, TokenSerial: e.TokenSerial, Pins: shown, Findings: e.Findings})
}

func (p *program) tokenEnrol() *cli.Command {
	return p.command(leaf{
		name: "enrol", usage: "give the token its seal key, for one environment for ever",
		about: "The seal key authenticates the broker's records. Material never crosses environments, so the\n" +
			"environment is named here as well as in the config. Enrol again after a change of the token's config.\n" +
			"Another store than the token served before is refused until --restored says, with a reason, that it is the one\n" +
			"to go on with; that one is refused in its turn. It then does what keyferry store recover does, before the token\n" +
			"remembers the store; a store that is older than the token remembers needs it only where it is older than the\n" +
			"token's enrolment, too.",
		examples: []string{
			"keyferry token enrol --environment test", "keyferry token enrol --environment test --dry-run",
			"keyferry token enrol --environment test --restored --reason 'disk lost, backup of Monday' --dry-run",
		},
		flags: changeFlags(
			&cli.StringFlag{Name: "environment", Usage: "the token's environment, as in the config: `NAME`"},
			&cli.BoolFlag{Name: "restored", Usage: "the store is older than the token remembers, or another one, and is the newest there is; needs --reason"},
		),
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.enrolToken(ctx) })
		},
	})
}

func (s *session) enrolToken(ctx context.Context) error {
	want := s.config.Token.Environment
	if err := s.sameEnvironment(want); err != nil {
		return err
	}
	if s.Bool("dry-run") {
		if err := s.broker.MayEnrolToken(ctx, s.Bool("restored")); err != nil {
			return err
		}
		info, err := s.token.Info(ctx)
		if err != nil {
			return err
		}
		e := broker.Enrolment{
			Kind: broker.EnrolToken, Name: s.config.Token.Name, Environment: want, TokenSerial: info.Serial, Pins: tokenPins(s.config.Token),
		}
		s.p.say("a dry run: the token was not enrolled, and would be enrolled as this")
		return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
	}
	if err := s.confirm(ctx, "Enrol token "+s.config.Token.Name); err != nil {
		return err
	}
	e, err := s.enrolThis(ctx)
	if err != nil {
		return err
	}
	return s.print(answer{value: e, tables: []any{enrolmentFacts(e)}})
}

func (s *session) enrolThis(ctx context.Context) (broker.Enrolment, error) {
	if !s.Bool("restored") {
		return s.broker.EnrolToken(ctx, s.why())
	}
	e, found, err := s.broker.EnrolRestored(ctx, s.why())
	if err == nil {
		s.sayRecovered(found)
	}
	return e, err
}

// sameEnvironment holds --environment against the config.
func (s *session) sameEnvironment(want string) error {
	got := s.String("environment")
	if got == want {
		return nil
	}
	is := fmt.Sprintf("--environment is %q", got)
	if got == "" {
		is = "--environment is missing"
	}
	return &broker.Error{
		Kind: broker.Misuse, Cause: fmt.Errorf("enrol token %s: %s, the config says %q; both must name the same", s.config.Token.Name, is, want),
		Hint: "keyferry token enrol --environment " + want,
	}
}
