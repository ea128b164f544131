package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// exampleHead stands for a head in help texts.
const exampleHead = "2:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func (p *program) auditVerify() *cli.Command {
	return p.command(leaf{
		name: "verify", usage: "recompute the audit's chain and check every seal",
		about: "It finds an entry that was edited, removed or reordered. With --since, a head that was kept elsewhere,\n" +
			"it also finds that the tail was cut. Ends with 1 where something does not hold.",
		examples: []string{"keyferry audit verify", "keyferry audit verify --since " + exampleHead},
		flags:    []cli.Flag{&cli.StringFlag{Name: "since", Usage: "this must still be in it: `HEAD`, as keyferry audit head prints it"}},
		run: func(ctx context.Context, c *call) error {
			since, err := parseHead(c.String("since"))
			if err != nil {
				return err
			}
			return c.working(ctx, func(s *session) error { return s.verifyAudit(ctx, since) })
		},
	})
}

func (s *session) verifyAudit(ctx context.Context, since *broker.Head) error {
	report, err := s.broker.VerifyAudit(ctx, since)
	if err != nil {
		return err
	}
	head := []fact{{"entries", fmt.Sprint(report.Entries)}, {"sealed heads", fmt.Sprint(report.Heads)}, {"head", headText(report.Head)}}
	for _, f := range report.Faults {
		head = append(head, fact{"fault", f})
	}
	if err := s.print(answer{value: report, tables: []any{head}}); err != nil {
		return err
	}
	if len(report.Faults) == 0 {
		return nil
	}
	return &verdict{exitFailed, &broker.Error{
		Kind: broker.Tampered, Op: "verify the audit", Cause: fmt.Errorf("%d faults", len(report.Faults)),
		Hint: "compare the store with a backup, and find out who changed it",
	}}
}
