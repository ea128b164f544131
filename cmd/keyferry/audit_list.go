package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) auditList() *cli.Command {
	return p.command(leaf{
		name: "list", usage: "list the audit, oldest first",
		examples: []string{"keyferry audit list", "keyferry audit list --key payments/db --output jsonl", "keyferry audit list --after 10"},
		flags: []cli.Flag{
			&cli.Int64Flag{Name: "after", Usage: "only entries after number `N`"},
			&cli.StringFlag{Name: "key", Usage: "only of this key: `NAME`"},
			&cli.StringFlag{Name: "operation", Usage: "only of this operation: `ID`"},
		},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				entries, rows := []broker.Entry{}, []entryRow{}
				for e, err := range s.store.Entries(ctx, c.Int64("after")) {
					if err != nil {
						return err
					}
					if c.wants(e) {
						entries, rows = append(entries, e), append(rows, entryRowOf(e))
					}
				}
				return c.print(answer{value: entries, tables: []any{rows}})
			})
		},
	})
}

func (c *call) wants(e broker.Entry) bool {
	key, operation := c.String("key"), c.String("operation")
	return (key == "" || e.Key == key) && (operation == "" || e.Operation == operation)
}
