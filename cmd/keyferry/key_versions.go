package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) keyVersions() *cli.Command {
	return p.command(leaf{
		name: "versions", usage: "list the versions of a key", args: []string{"NAME"},
		examples: []string{"keyferry key versions payments/db", "keyferry key versions payments/db --output json"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				k, err := s.store.Key(ctx, c.argument())
				if err != nil {
					return fmt.Errorf("list versions of key %s: %w", c.argument(), err)
				}
				return c.print(answer{value: versionRows(k)})
			})
		},
	})
}
