package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// targetRow is a configured target, and whether it was enrolled.
type targetRow struct {
	Name        string            `json:"target"`
	Provider    string            `json:"provider"`
	Environment string            `json:"environment"`
	Account     string            `json:"account"` // or project, or tenant
	Place       string            `json:"place"`   // region, location and ring, or vault
	Region      string            `json:"region" table:"-"`
	Endpoint    string            `json:"endpoint"`
	Enrolled    string            `json:"enrolled"` // yes, no, or what differs from the config
	EnrolledAt  time.Time         `json:"enrolled_at,omitzero"`
	Findings    map[string]string `json:"findings" table:"-"`
}

func (p *program) targetList() *cli.Command {
	return p.command(leaf{
		name: "list", usage: "list the configured targets and whether they are enrolled",
		about:    "It compares the config with the store and asks nobody; keyferry doctor also checks the seals.",
		examples: []string{"keyferry target list", "keyferry target list --output csv"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				enrolled, err := s.store.Enrolments(ctx)
				if err != nil {
					return err
				}
				return c.print(answer{value: targetRows(s.config, enrolled)})
			})
		},
	})
}

func targetRows(cfg *config.Config, enrolled []broker.Enrolment) []targetRow {
	var rows []targetRow
	for _, t := range cfg.Targets {
		row := targetRow{
			Name: t.Name, Provider: t.Provider, Environment: t.Environment, Account: accountOf(t), Place: placeOf(t), Region: t.Region,
			Endpoint: endpointOf(t), Enrolled: "no",
		}
		for _, e := range enrolled {
			if e.Kind == broker.EnrolTarget && e.Name == t.Name {
				row.Enrolled, row.EnrolledAt, row.Findings = matches(e, t), e.At, e.Findings
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func matches(e broker.Enrolment, t config.Target) string {
	pins, err := pinsNow(t)
	if err == nil {
		err = e.Matches(t.Environment, pins)
	}
	if told, ok := err.(*broker.Error); ok { //nolint:errorlint // only its cause is wanted: the row names the rest
		return fmt.Sprint("no: ", told.Cause)
	}
	if err != nil {
		return "no: " + err.Error()
	}
	return "yes"
}

// noTarget tells what targets there are.
func noTarget(cfg *config.Config, name string) error {
	var names []string
	for _, t := range cfg.Targets {
		names = append(names, t.Name)
	}
	hint := "name one of the config's, or add it there: keyferry target list"
	if len(names) == 0 {
		hint = "add it to the config, under targets: keyferry init wrote an example there"
	}
	return &broker.Error{
		Kind: broker.NotFound, Op: "find target", Object: name, Cause: fmt.Errorf("the config does not have it%s", orNear(name, names)), Hint: hint,
	}
}
