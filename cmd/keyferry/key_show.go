package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

func (p *program) keyShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show a key with its versions and where they are", args: []string{"NAME"},
		examples: []string{"keyferry key show payments/db", "keyferry key show payments/db --output yaml"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				k, err := s.store.Key(ctx, c.argument())
				if err != nil {
					return fmt.Errorf("show key %s: %w", c.argument(), err)
				}
				aborting, err := s.aborting(ctx, k.Key.Name)
				if err != nil {
					return err
				}
				return s.print(keyAnswer(k, aborting.rows(s.placementRows(k))))
			})
		},
	})
}
