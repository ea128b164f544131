package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) operationShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show an operation and its effects", args: []string{"ID"},
		examples: []string{"keyferry operation show " + exampleID, "keyferry operation show " + exampleID + " --output json"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				o, err := s.store.Operation(ctx, c.argument())
				if err != nil {
					return fmt.Errorf("show operation %s: %w", c.argument(), err)
				}
				return c.print(answer{value: standing(o), tables: []any{facts(viewRowOf(o)), effectRows(o)}})
			})
		},
	})
}

// exampleID stands for an operation's id in help texts.
const exampleID = "20261124T093005-1f2e3d4c5b6a"
