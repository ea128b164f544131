package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

// checked is what config check says of a config that holds.
type checked struct {
	Config   string `json:"config"`
	Targets  int    `json:"targets"`
	Policies int    `json:"policies"`
}

func (p *program) configCheck() *cli.Command {
	return p.command(leaf{
		name: "check", usage: "read the config and say what is wrong with it, all at once",
		about:    "It reads the config and the files that targets name, and speaks to nobody.",
		examples: []string{"keyferry config check", "keyferry config check --config ./keyferry.yaml"},
		run: func(ctx context.Context, c *call) error {
			cfg, err := c.loadConfig()
			if err != nil {
				return err
			}
			_, closeTargets, err := p.openTargets(ctx, cfg)
			if err != nil {
				return err
			}
			closeTargets()
			out := checked{Config: cfg.Path, Targets: len(cfg.Targets), Policies: len(cfg.Policies)}
			return c.print(answer{value: out, tables: []any{facts(out)}})
		},
	})
}
